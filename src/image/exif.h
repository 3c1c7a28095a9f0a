// EXIF's orientation tag.
#ifndef DIPTYCH_IMAGE_EXIF_H_
#define DIPTYCH_IMAGE_EXIF_H_

#include "core/file.h"

namespace diptych {

/// The orientation (1 to 8) of an EXIF block, with or without "Exif\0\0" before its TIFF header; 1 where it says
/// nothing or is damaged.
int ExifOrientation(ByteSpan exif);

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_EXIF_H_
