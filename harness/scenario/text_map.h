// Shell-style variables in a manifest, as in the here-documents of the walkthroughs, without losing line numbers.
#pragma once

#include "harness/scenario/place.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::scenario {

class Diagnostics;

// Where each stretch of a text came from.
class TextMap {
public:
    // From (line, column) of the text onwards, until the next entry: `exact` = it runs in step with the source from there,
    // otherwise all of it stands for one place in the source.
    void add(int line, int column, int sourceLine, int sourceColumn, bool exact);
    void translate(int& line, int& column) const;

private:
    struct Stretch {
        int line, column, sourceLine, sourceColumn;
        bool exact;
    };
    std::vector<Stretch> stretches_; // in order of the text
};

struct SubstitutedText {
    std::string text;
    TextMap map;
};

// $NAME and ${NAME}; "\$", "\\" and "\`" stand for the character. Everything else a shell would do here is an error.
SubstitutedText substituteVariables(std::string_view text, const std::map<std::string, std::string>& variables,
                                    const std::string& file, Diagnostics& diagnostics);

} // namespace rdmalab::scenario
