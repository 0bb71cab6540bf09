// What a part of the language may look like. One table says it for both the checker and the JSON Schema.
#pragma once

#include "harness/scenario/yaml_tree.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace rdmalab::scenario {

struct Shape;
using ShapePtr = std::shared_ptr<const Shape>;

// How a text must be formed.
struct Format {
    std::string_view expected; // "a duration such as 30s or 1m30s"
    std::string_view pattern;  // for the schema; empty = none
    bool (*accepts)(const std::string& text);
    std::string_view hint = {};
};

struct Key {
    std::string name;
    ShapePtr shape;
    bool required = false;
};

// About which keys of a map go together.
struct Rule {
    enum class Kind { exactlyOne, atMostOne, atLeastOne } kind;
    std::vector<std::string> keys;
};

struct Alternative {
    bool (*fits)(const YamlNode& node); // the first that fits is taken
    ShapePtr shape;
};

struct Shape {
    enum class Type { any, text, boolean, integer, list, map, object, either } type = Type::any;
    std::string description;

    std::vector<std::string> allowed; // of a text; empty = anything
    const Format* format = nullptr;   // of a text
    std::int64_t min = 0, max = 0;    // of an integer
    ShapePtr item;                    // of a list, or the values of a map
    bool nonEmpty = false;            // of a list or map
    std::vector<Key> keys;            // of an object
    std::vector<Rule> rules;
    std::vector<Alternative> alternatives; // of either
    std::string expected;                  // of either: "text or a list of texts"
};

// Builders for the tables.
ShapePtr anything(std::string description);
ShapePtr text(std::string description, const Format* format = nullptr);
ShapePtr word(std::vector<std::string> allowed, std::string description);
ShapePtr boolean(std::string description);
ShapePtr integer(std::int64_t min, std::int64_t max, std::string description);
ShapePtr list(ShapePtr item, std::string description, bool nonEmpty = true);
ShapePtr map(ShapePtr value, std::string description, bool nonEmpty = false);
ShapePtr object(std::string description, std::vector<Key> keys, std::vector<Rule> rules = {});
ShapePtr either(std::string description, std::string expected, std::vector<Alternative> alternatives);
ShapePtr textOrTexts(std::string description, const Format* format = nullptr);

// The parts of a tree that do not have their shape, all of which have been reported.
struct BadNodes {
    std::unordered_set<const YamlNode*> wrong;      // cannot be read
    std::unordered_set<const YamlNode*> incomplete; // maps with keys missing, or that exclude each other
};
// `what` names the node in messages: "spec.nodes[0]".
void checkShape(const YamlNode& node, const Shape& shape, const std::string& what, Diagnostics& diagnostics, BadNodes& bad);

nlohmann::json shapeSchema(const Shape& shape);

} // namespace rdmalab::scenario
