// A position in a text file that a user wrote.
#pragma once

#include <compare>
#include <string>

namespace rdmalab::scenario {

// Line and column count from 1; a column is a byte. Line 0 means "the file as a whole", an empty file "nowhere".
struct Place {
    std::string file;
    int line = 0;
    int column = 0;

    bool known() const noexcept { return !file.empty(); }
    // "file:line:column", as compilers print it; parts that are not known are left out.
    std::string str() const {
        if (line == 0)
            return file;
        return file + ':' + std::to_string(line) + ':' + std::to_string(column);
    }
    friend auto operator<=>(const Place&, const Place&) = default;
};

} // namespace rdmalab::scenario
