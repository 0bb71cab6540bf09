// Partial comparison: does an object have at least what was asked for?
//  - maps: every expected key must be there and match; further keys of the actual object do not count
//  - lists: same length, item by item; `{$contains: [...]}` = each expected item matches some item of the actual list
//  - scalars: equal in type and value ("500" is not 500; 1 and 1.0 are equal); quantities are plain strings
//  - null matches null and a missing key
// A map with a single key that starts with `$` is an operator:
//  $contains: s | [..]   substring of a string; items of a list; a scalar that is an item of a list
//  $notContains: s       the contrary, of a string or list
//  $matches: regex       RE2 syntax (as in Go), found anywhere in the string
//  $in: [..]             matches one of them
//  $range: "a-b"         an IP address (a prefix length behind it is ignored) between a and b
//  $gte: n, $lte: n      number, or a string that is a whole number
//  $absent: true         the key is not there; false: it is there, with any value
//  $length: n            items of a list, keys of a map, bytes of a string
//  $json: {..}           a string that holds JSON, which is matched by the same rules
//  $not: x               does not match x
#pragma once

#include "harness/scenario/placed_json.h"

#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::scenario {

struct TextExpectation;
class Diagnostics;

struct Mismatch {
    std::string path;     // in the actual object: "status.allocatable[spidernet.io/hca]", empty for the whole
    std::string expected; // for people: JSON of the expectation, or a phrase like: string containing "x"
    std::string found;    // JSON, or "nothing"
    Place place;          // of the expectation

    std::string str() const; // "status.phase: expected "Running", found "Pending""
};

// Empty when it matches.
std::vector<Mismatch> matchPartial(const PlacedJson& expected, const Json& actual);
std::vector<Mismatch> matchPartial(const Json& expected, const Json& actual);
inline bool matches(const PlacedJson& expected, const Json& actual) {
    return matchPartial(expected, actual).empty();
}

// `what` names the text in the mismatch: "stdout".
std::vector<Mismatch> matchText(const TextExpectation& expected, std::string_view actual, std::string_view what);

// What is wrong with operators in an expectation before anything is compared: unknown ones, bad regex or range.
void checkExpectation(const PlacedJson& expected, Diagnostics& diagnostics);
// Empty when the regex is good, else the reason.
std::string regexProblem(const std::string& regex);

} // namespace rdmalab::scenario
