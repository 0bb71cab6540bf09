#include "harness/scenario/diagnostic.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace rdmalab::scenario {

namespace {

// More than anyone reads; a file that is not YAML at all could otherwise fill the memory.
constexpr std::size_t limit = 1000;

std::string indented(std::string_view label, const std::string& text) {
    if (text.empty())
        return {};
    std::string line = "\n  " + std::string(label) + ": ";
    for (const char c : text) {
        line += c;
        if (c == '\n')
            line += "    ";
    }
    return line;
}

std::size_t editDistance(std::string_view a, std::string_view b) {
    // Optimal string alignment: a swap of neighbours counts as one slip.
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i)
        d[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j)
        d[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.size()][b.size()];
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

} // namespace

std::string Diagnostic::str() const {
    std::string out = place.known() ? place.str() + ": " : std::string();
    out += severity == Severity::error ? "error: " : "warning: ";
    return out + message + indented("expected", expected) + indented("found", found) + indented("hint", hint);
}

Diagnostic& Diagnostics::add(Severity severity, Place place, std::string message) {
    if (severity == Severity::error)
        ++errors_;
    if (all_.size() >= limit) {
        overflow_ = {};
        return overflow_;
    }
    Diagnostic& added = all_.emplace_back();
    added.place = std::move(place);
    added.severity = severity;
    added.message = std::move(message);
    return added;
}

Diagnostic& Diagnostics::error(Place place, std::string message) {
    return add(Severity::error, std::move(place), std::move(message));
}

Diagnostic& Diagnostics::warning(Place place, std::string message) {
    return add(Severity::warning, std::move(place), std::move(message));
}

std::vector<Diagnostic> Diagnostics::sorted() const {
    std::map<std::string, std::size_t> fileOrder = {{firstFile_, 0}};
    for (const Diagnostic& one : all_)
        fileOrder.try_emplace(one.place.file, fileOrder.size());
    std::vector<Diagnostic> out;
    std::set<std::tuple<Place, std::string>> seen;
    for (const Diagnostic& one : all_) {
        // A file that several steps use, or an anchor that several nodes use, is wrong once.
        if (seen.emplace(one.place, one.message).second)
            out.push_back(one);
    }
    std::stable_sort(out.begin(), out.end(), [&](const Diagnostic& a, const Diagnostic& b) {
        return std::tuple(fileOrder.at(a.place.file), a.place.line, a.place.column) <
               std::tuple(fileOrder.at(b.place.file), b.place.line, b.place.column);
    });
    return out;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
    if (word.empty() || word.size() > 64)
        return {};
    std::string best;
    std::size_t bestDistance = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (const std::string& candidate : candidates) {
        if (candidate.size() > 128)
            continue;
        const std::size_t distance = editDistance(lower(word), lower(candidate));
        if (distance < bestDistance) {
            bestDistance = distance;
            best = candidate;
        }
    }
    return best;
}

} // namespace rdmalab::scenario
