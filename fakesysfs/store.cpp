#include "fakesysfs/store.h"

#include "util/syscall.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>

namespace rdmalab::fakesysfs {
namespace {

constexpr std::size_t page = 4096;

int digitOf(char c) noexcept {
    if (c >= '0' && c <= '9')
        return c - '0';
    const int lower = std::tolower(static_cast<unsigned char>(c));
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

std::uint64_t parseDigits(std::string_view text, int base) {
    const auto at = [&](std::size_t i) { return i < text.size() ? text[i] : '\0'; };
    const bool prefixed = at(0) == '0' && std::tolower(static_cast<unsigned char>(at(1))) == 'x';
    if (base == 0)
        base = at(0) != '0' ? 10 : prefixed && digitOf(at(2)) < 16 ? 16 : 8;
    if (base == 16 && prefixed)
        text.remove_prefix(2);
    std::uint64_t value = 0;
    std::size_t taken = 0;
    bool overflow = false;
    for (; taken < text.size() && digitOf(text[taken]) < base; ++taken) {
        const auto digit = static_cast<std::uint64_t>(digitOf(text[taken]));
        overflow = overflow || value > (std::numeric_limits<std::uint64_t>::max() - digit) / static_cast<std::uint64_t>(base);
        value = value * static_cast<std::uint64_t>(base) + digit;
    }
    if (overflow)
        refuse("number", ERANGE);
    if (taken == 0 || !withoutNewline(text.substr(taken)).empty())
        refuse("number", EINVAL);
    return value;
}

bool isUuid(std::string_view text) noexcept {
    constexpr std::size_t length = 36;
    if (text.size() != length)
        return false;
    for (std::size_t i = 0; i < length; ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : digitOf(text[i]) > 15)
            return false;
    }
    return true;
}

// KEY=VALUE with letters and digits only.
bool isVariable(std::string_view text) noexcept {
    const auto plain = [](std::string_view part) {
        return !part.empty() && std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
    };
    const std::size_t equals = text.find('=');
    return equals != std::string_view::npos && plain(text.substr(0, equals)) && plain(text.substr(equals + 1));
}

void checkUevent(std::string_view text) {
    text = withoutNewline(text);
    constexpr std::array<std::string_view, 8> actions = {"add",    "remove",  "change", "move",
                                                         "online", "offline", "bind",   "unbind"};
    const std::size_t blank = text.find(' ');
    if (std::find(actions.begin(), actions.end(), text.substr(0, blank)) == actions.end())
        refuse("uevent", EINVAL);
    bool first = true;
    while (text.find(' ') != std::string_view::npos) {
        text.remove_prefix(text.find(' ') + 1);
        const std::string_view part = text.substr(0, text.find(' '));
        if (!(first ? isUuid(part) : isVariable(part)))
            refuse("uevent", EINVAL);
        first = false;
    }
}

} // namespace

void refuse(const char* what, int code) {
    throw SystemError(std::string("write ") + what, code);
}

std::string_view cText(std::string_view written) noexcept {
    return written.substr(0, written.find('\0'));
}

std::string_view withoutNewline(std::string_view text) noexcept {
    if (text.ends_with('\n'))
        text.remove_suffix(1);
    return text;
}

bool saysWord(std::string_view text, std::string_view word) noexcept {
    return withoutNewline(text) == word;
}

std::uint64_t parseUnsigned(std::string_view text, int base, std::uint64_t most) {
    if (text.starts_with('+'))
        text.remove_prefix(1);
    const std::uint64_t value = parseDigits(text, base);
    if (value > most)
        refuse("number", ERANGE);
    return value;
}

std::int64_t parseSigned(std::string_view text, int base, std::int64_t least, std::int64_t most) {
    const bool negative = text.starts_with('-');
    if (!negative)
        return static_cast<std::int64_t>(parseUnsigned(text, base, static_cast<std::uint64_t>(most)));
    const std::uint64_t value = parseDigits(text.substr(1), base);
    if (value > static_cast<std::uint64_t>(-(least + 1)) + 1)
        refuse("number", ERANGE);
    return static_cast<std::int64_t>(-value);
}

std::uint64_t parsePlain(std::string_view text, std::uint64_t most) {
    try {
        return parseUnsigned(text, 0, most);
    } catch (const SystemError&) {
        refuse("number", EINVAL);
    }
}

bool parseBool(std::string_view text) {
    const auto lower = [&](std::size_t i) {
        return i < text.size() ? static_cast<char>(std::tolower(static_cast<unsigned char>(text[i]))) : '\0';
    };
    switch (lower(0)) {
    case 'e':
    case 'y':
    case 't':
    case '1':
        return true;
    case 'd':
    case 'n':
    case 'f':
    case '0':
        return false;
    case 'o':
        if (lower(1) == 'n')
            return true;
        if (lower(1) == 'f')
            return false;
        break;
    default:
        break;
    }
    refuse("boolean", EINVAL);
}

Directory::Write textStore(std::function<void(std::string_view text)> store) {
    return [store = std::move(store)](std::string_view written) -> std::size_t {
        written = written.substr(0, page);
        if (!written.empty())
            store(cText(written));
        return written.size();
    };
}

Directory::Write ueventStore() {
    static const Directory::Write store = textStore(checkUevent); // keeps nothing: one for all
    return store;
}

} // namespace rdmalab::fakesysfs
