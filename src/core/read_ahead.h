// Reading from a cold disk before what is read is needed, so that the disk works while the program computes.
#ifndef DIPTYCH_CORE_READ_AHEAD_H_
#define DIPTYCH_CORE_READ_AHEAD_H_

#include <cstddef>
#include <stop_token>
#include <string>

namespace diptych {

/// Has the system read the pages of [data, data + bytes) of a mapped file that are not in memory, without waiting for
/// them: many requests at once are faster than touching page after page. Any other memory is left as it is.
void AskForMappedPages(const void* data, size_t bytes);

/// The same for a whole file, which need not be mapped, waiting for it piece by piece: what others want to read
/// meanwhile does not queue up behind all of it. Ends early when `stop` is requested, or where the file cannot be read.
void ReadAheadOf(const std::string& path, const std::stop_token& stop);

}  // namespace diptych

#endif  // DIPTYCH_CORE_READ_AHEAD_H_
