// Text on its way out to a terminal or a document.
#pragma once

#include "harness/report/event.h"

#include <string>
#include <string_view>

namespace rdmalab::report {

// Valid UTF-8 in which control characters but newline and tab are shown as \xNN: nothing in it can drive a terminal or break XML.
std::string printable(std::string_view text);
// The same on one line: newlines and tabs are spaces, cut to `width` characters.
std::string oneLine(std::string_view text, std::size_t width = 400);
// "12 ms", "1.42 s", "3m05s"
std::string duration(Milliseconds time);
// "1 node", "2 nodes"
std::string plural(int count, std::string_view noun);

} // namespace rdmalab::report
