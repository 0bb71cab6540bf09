// What the kernel's store() functions have in common: how they take a write apart, and what they refuse.
#pragma once

#include "fakesysfs/node.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

namespace rdmalab::fakesysfs {

// A write as store() sees it: a C string, so a NUL ends it (fs/kernfs/file.c adds one behind the last byte).
std::string_view cText(std::string_view written) noexcept;
// sysfs_streq: equal, one trailing newline aside.
bool saysWord(std::string_view text, std::string_view word) noexcept;
// Without its one trailing newline.
std::string_view withoutNewline(std::string_view text) noexcept;

// kstrtoull and kstrtoll (lib/kstrtox.c): base 0 is C notation, one trailing newline is allowed. SystemError: EINVAL for what is
// no number, ERANGE outside of the limits.
std::uint64_t parseUnsigned(std::string_view text, int base = 0, std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
std::int64_t parseSigned(std::string_view text, int base = 0, std::int64_t least = std::numeric_limits<std::int32_t>::min(),
                         std::int64_t most = std::numeric_limits<std::int32_t>::max());
// As most of drivers/pci has it: every failure is EINVAL.
std::uint64_t parsePlain(std::string_view text, std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
bool parseBool(std::string_view text); // kstrtobool

[[noreturn]] void refuse(const char* what, int code); // SystemError("write WHAT", code)

// A text attribute's store: nothing written is nothing done (fs/sysfs/file.c), at most a page is taken, and a store that does not
// throw has taken all of it.
Directory::Write textStore(std::function<void(std::string_view text)> store);
// `uevent` of a device, driver, module or bus: an action, perhaps with a UUID and variables (lib/kobject_uevent.c).
Directory::Write ueventStore();

} // namespace rdmalab::fakesysfs
