#pragma once

#include "harness/scenario/place.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rdmalab::scenario {

enum class Severity { error, warning };

// One thing that is wrong with a file. `expected`, `found` and `hint` may be empty.
struct Diagnostic {
    Place place;
    Severity severity = Severity::error;
    std::string message;
    std::string expected, found, hint;

    // "file:line:column: error: message", then an indented line each for expected, found and hint.
    std::string str() const;
};

// Collects; the reading goes on after each, so that a user sees all of them at once.
class Diagnostics {
public:
    // Diagnostics of `firstFile` are sorted before those of other files.
    explicit Diagnostics(std::string firstFile = {}) : firstFile_(std::move(firstFile)) {}

    Diagnostic& error(Place place, std::string message);
    Diagnostic& warning(Place place, std::string message);

    bool anyError() const noexcept { return errors_ > 0; }
    std::size_t errors() const noexcept { return errors_; }
    // By file (in the order files were first mentioned), line, column; without repetitions.
    std::vector<Diagnostic> sorted() const;

private:
    Diagnostic& add(Severity severity, Place place, std::string message);

    std::string firstFile_;
    std::vector<Diagnostic> all_;
    Diagnostic overflow_; // takes what comes after the limit
    std::size_t errors_ = 0;
};

// The candidate nearest to `word` by edit distance when it is near enough to be a slip, else empty.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

} // namespace rdmalab::scenario
