#include "harness/report/text.h"

#include <fmt/format.h>

namespace rdmalab::report {

namespace {

// Length of the UTF-8 sequence at the start of `text`; 0 when it is none, or a character that XML or a terminal would stumble
// over.
std::size_t goodSequence(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80)
        return first >= 0x20 && first != 0x7f ? 1 : 0;
    const std::size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                               : (first & 0xf0) == 0xe0         ? 3
                               : first >= 0xf0 && first <= 0xf4 ? 4
                                                                : 0;
    if (length == 0 || text.size() < length)
        return 0;
    unsigned code = first & (0xffu >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (byte(i) & 0x3fu);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    const bool control = code >= 0x80 && code < 0xa0;
    // Directional overrides can make a line read as another one.
    const bool direction = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return overlong || surrogate || control || direction || code > 0x10ffff || code == 0xfffe || code == 0xffff ? 0 : length;
}

} // namespace

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        std::size_t length = text[0] == '\n' || text[0] == '\t' ? 1 : goodSequence(text);
        if (text.starts_with("\r\n")) {
            text.remove_prefix(1);
            continue;
        }
        if (length == 0) {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
            length = 1;
        } else {
            out += text.substr(0, length);
        }
        text.remove_prefix(length);
    }
    return out;
}

std::string oneLine(std::string_view text, std::size_t width) {
    std::string clean = printable(text);
    std::size_t characters = 0, cut = clean.size();
    for (std::size_t i = 0; i < clean.size(); ++i) {
        if (clean[i] == '\n' || clean[i] == '\t')
            clean[i] = ' ';
        if ((static_cast<unsigned char>(clean[i]) & 0xc0) == 0x80)
            continue;
        ++characters;
        if (characters + 2 == width)
            cut = i;
    }
    if (characters > width && width >= 3)
        return clean.substr(0, cut) + "...";
    return clean;
}

std::string duration(Milliseconds time) {
    const auto ms = time.count();
    if (ms < 1000)
        return fmt::format("{} ms", ms);
    if (ms < 60000)
        return fmt::format("{}.{:02} s", ms / 1000, ms % 1000 / 10);
    return fmt::format("{}m{:02}s", ms / 60000, ms % 60000 / 1000);
}

std::string plural(int count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

} // namespace rdmalab::report
