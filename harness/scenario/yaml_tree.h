// YAML text as a tree in which everything knows its place. Built from yaml-cpp's events, because its own tree forgets the style
// of scalars, double keys and which alias was meant. Merge keys (<<) are resolved.
#pragma once

#include "harness/scenario/place.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::scenario {

class Diagnostics;
class TextMap;
struct YamlNode;
using YamlPtr = std::shared_ptr<const YamlNode>;

struct YamlEntry {
    std::string key;
    bool plainKey = true; // not quoted
    Place place;          // of the key
    YamlPtr value;        // never null
};

struct YamlNode {
    enum class Kind { null, scalar, list, map } kind = Kind::null;
    Place place;
    std::string text;   // of a scalar
    bool plain = false; // a scalar without quotes, which may be a number or a boolean
    std::vector<YamlPtr> items;
    std::vector<YamlEntry> entries; // keys are unique
    std::size_t weight = 1;         // nodes in here, aliases counted as often as they are used

    const YamlEntry* find(std::string_view key) const;
    bool isMap() const noexcept { return kind == Kind::map; }
    bool isList() const noexcept { return kind == Kind::list; }
    bool isScalar() const noexcept { return kind == Kind::scalar; }
    bool isNull() const noexcept { return kind == Kind::null; }
};
// "a map", "a list", "nothing", "\"text\"": for messages.
std::string describe(const YamlNode& node);

struct YamlLimits {
    std::size_t bytes = 8u << 20;
    int depth = 100;
    std::size_t nodes = 1'000'000; // after aliases
};

// All documents; empty ones are left out. What is wrong goes to `diagnostics`, documents before a syntax error are returned.
// `map` says where text came from when it is not `file` as it is.
std::vector<YamlPtr> parseYaml(std::string_view text, const std::string& file, Diagnostics& diagnostics,
                               const TextMap* map = nullptr, const YamlLimits& limits = {});

} // namespace rdmalab::scenario
