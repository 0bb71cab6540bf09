// Where names or addresses were used first.
#pragma once

#include "harness/scenario/diagnostic.h"

#include <map>
#include <string>

namespace rdmalab::scenario {

class Uses {
public:
    Uses(Diagnostics& diagnostics, std::string what) : diagnostics_(diagnostics), what_(std::move(what)) {}

    // False, after a diagnostic, when it is taken.
    bool add(const std::string& value, const Place& place) {
        const auto [it, fresh] = first_.emplace(value, place);
        if (!fresh) {
            Diagnostic& d = diagnostics_.error(place, what_ + " '" + value + "' is used twice");
            if (it->second == place)
                d.hint = "the group makes several nodes, and all of them would have it";
            else
                d.hint = "first used at line " + std::to_string(it->second.line);
        }
        return fresh;
    }

private:
    Diagnostics& diagnostics_;
    std::string what_;
    std::map<std::string, Place> first_;
};

} // namespace rdmalab::scenario
