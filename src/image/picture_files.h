// Which files are pictures, by their names.
#ifndef DIPTYCH_IMAGE_PICTURE_FILES_H_
#define DIPTYCH_IMAGE_PICTURE_FILES_H_

#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace diptych {

/// The suffix, in any case, is one of a picture format.
bool HasPictureSuffix(std::string_view path);

/// Appends the pictures under `folder` and its subfolders in sorted order. Hidden files and folders are left out, links
/// to folders not followed: a link could lead back up. Errors: the first folder that cannot be listed; those after it
/// are listed still.
Status ListPictures(const std::string& folder, std::vector<std::string>& pictures);

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_PICTURE_FILES_H_
