#include "harness/scenario/shape.h"

#include <algorithm>

#include "harness/scenario/diagnostic.h"

#include <nlohmann/json.hpp>

#include <charconv>

namespace rdmalab::scenario {

namespace {

std::shared_ptr<Shape> make(Shape::Type type, std::string description) {
    auto shape = std::make_shared<Shape>();
    shape->type = type;
    shape->description = std::move(description);
    return shape;
}

std::string joined(const std::vector<std::string>& words, std::string_view last) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0)
            out += i + 1 == words.size() ? std::string(last) : ", ";
        out += words[i];
    }
    return out;
}

std::vector<std::string> keyNames(const Shape& shape) {
    std::vector<std::string> names;
    for (const Key& key : shape.keys)
        names.push_back(key.name);
    return names;
}

} // namespace

ShapePtr anything(std::string description) {
    return make(Shape::Type::any, std::move(description));
}

ShapePtr text(std::string description, const Format* format) {
    auto shape = make(Shape::Type::text, std::move(description));
    shape->format = format;
    return shape;
}

ShapePtr word(std::vector<std::string> allowed, std::string description) {
    auto shape = make(Shape::Type::text, std::move(description));
    shape->allowed = std::move(allowed);
    return shape;
}

ShapePtr boolean(std::string description) {
    return make(Shape::Type::boolean, std::move(description));
}

ShapePtr integer(std::int64_t min, std::int64_t max, std::string description) {
    auto shape = make(Shape::Type::integer, std::move(description));
    shape->min = min;
    shape->max = max;
    return shape;
}

ShapePtr list(ShapePtr item, std::string description, bool nonEmpty) {
    auto shape = make(Shape::Type::list, std::move(description));
    shape->item = std::move(item);
    shape->nonEmpty = nonEmpty;
    return shape;
}

ShapePtr map(ShapePtr value, std::string description, bool nonEmpty) {
    auto shape = make(Shape::Type::map, std::move(description));
    shape->item = std::move(value);
    shape->nonEmpty = nonEmpty;
    return shape;
}

ShapePtr object(std::string description, std::vector<Key> keys, std::vector<Rule> rules) {
    auto shape = make(Shape::Type::object, std::move(description));
    shape->keys = std::move(keys);
    shape->rules = std::move(rules);
    return shape;
}

ShapePtr either(std::string description, std::string expected, std::vector<Alternative> alternatives) {
    auto shape = make(Shape::Type::either, std::move(description));
    shape->expected = std::move(expected);
    shape->alternatives = std::move(alternatives);
    return shape;
}

ShapePtr textOrTexts(std::string description, const Format* format) {
    return either(description, "text or a list of texts",
                  {{[](const YamlNode& n) { return n.isScalar(); }, text({}, format)},
                   {[](const YamlNode& n) { return n.isList(); }, list(text({}, format), {})}});
}

namespace {

class Checker {
public:
    Checker(Diagnostics& diagnostics, BadNodes& bad) : diagnostics_(diagnostics), bad_(bad) {}

    void check(const YamlNode& node, const Shape& shape, const std::string& what) {
        switch (shape.type) {
        case Shape::Type::any:
            return;
        case Shape::Type::text:
            return checkText(node, shape, what);
        case Shape::Type::boolean:
            if (!node.isScalar() || !node.plain || (node.text != "true" && node.text != "false"))
                wrong(node, what, "true or false");
            return;
        case Shape::Type::integer:
            return checkInteger(node, shape, what);
        case Shape::Type::list:
            if (!node.isList())
                return wrong(node, what, "a list");
            if (shape.nonEmpty && node.items.empty())
                return report(node, what + " is empty").expected = "at least one item", void();
            for (std::size_t i = 0; i < node.items.size(); ++i)
                check(*node.items[i], *shape.item, what + '[' + std::to_string(i) + ']');
            return;
        case Shape::Type::map:
            if (!node.isMap())
                return wrong(node, what, "a map");
            if (shape.nonEmpty && node.entries.empty())
                return report(node, what + " is empty").expected = "at least one key", void();
            for (const YamlEntry& entry : node.entries)
                check(*entry.value, *shape.item, what + '.' + entry.key);
            return;
        case Shape::Type::object:
            return checkObject(node, shape, what);
        case Shape::Type::either:
            for (const Alternative& alternative : shape.alternatives) {
                if (alternative.fits(node))
                    return check(node, *alternative.shape, what);
            }
            return wrong(node, what, shape.expected);
        }
    }

private:
    Diagnostic& report(const YamlNode& node, std::string message) {
        bad_.wrong.insert(&node);
        return diagnostics_.error(node.place, std::move(message));
    }

    Diagnostic& incomplete(const YamlNode& node, std::string message) {
        bad_.incomplete.insert(&node);
        return diagnostics_.error(node.place, std::move(message));
    }

    void wrong(const YamlNode& node, const std::string& what, std::string expected) {
        Diagnostic& d = report(node, (what.empty() ? "the scenario" : what) + " must be " + expected);
        d.found = describe(node);
    }

    void checkText(const YamlNode& node, const Shape& shape, const std::string& what) {
        if (!node.isScalar()) {
            wrong(node, what, "text");
            return;
        }
        if (!shape.allowed.empty()) {
            for (const std::string& word : shape.allowed) {
                if (word == node.text)
                    return;
            }
            Diagnostic& d = report(node, "unknown value for " + what);
            d.expected = joined(shape.allowed, " or ");
            d.found = describe(node);
            if (const std::string similar = nearest(node.text, shape.allowed); !similar.empty())
                d.hint = "did you mean " + similar + "?";
        } else if (shape.format != nullptr && !shape.format->accepts(node.text)) {
            Diagnostic& d = report(node, what + " must be " + std::string(shape.format->expected));
            d.found = describe(node);
            d.hint = shape.format->hint;
        }
    }

    void checkInteger(const YamlNode& node, const Shape& shape, const std::string& what) {
        std::int64_t value = 0;
        const char* end = node.text.data() + node.text.size();
        const bool number =
            node.isScalar() && node.plain && !node.text.empty() && std::from_chars(node.text.data(), end, value).ptr == end;
        if (!number)
            return wrong(node, what, "a whole number");
        if (value < shape.min || value > shape.max) {
            Diagnostic& d = report(node, what + " is out of range");
            d.expected = std::to_string(shape.min) + " to " + std::to_string(shape.max);
            d.found = node.text;
        }
    }

    void checkObject(const YamlNode& node, const Shape& shape, const std::string& what) {
        if (!node.isMap())
            return wrong(node, what, "a map");
        for (const YamlEntry& entry : node.entries) {
            const Key* known = nullptr;
            for (const Key& key : shape.keys) {
                if (key.name == entry.key)
                    known = &key;
            }
            if (known != nullptr) {
                check(*entry.value, *known->shape, what.empty() ? entry.key : what + '.' + entry.key);
                continue;
            }
            Diagnostic& d =
                diagnostics_.error(entry.place, "unknown key '" + entry.key + "'" + (what.empty() ? "" : " in " + what));
            const std::string similar = nearest(entry.key, keyNames(shape));
            d.expected = joined(keyNames(shape), " or ");
            if (!similar.empty())
                d.hint = "did you mean '" + similar + "'?";
        }
        for (const Key& key : shape.keys) {
            if (key.required && node.find(key.name) == nullptr)
                incomplete(node, (what.empty() ? "the scenario" : what) + " has no '" + key.name + "'").expected =
                    key.shape->description;
        }
        for (const Rule& rule : shape.rules)
            checkRule(node, rule, shape, what);
    }

    void checkRule(const YamlNode& node, const Rule& rule, const Shape& shape, const std::string& what) {
        std::vector<std::string> given;
        Place second;
        for (const YamlEntry& entry : node.entries) {
            for (const std::string& name : rule.keys) {
                if (entry.key == name) {
                    given.push_back(name);
                    if (given.size() == 2)
                        second = entry.place;
                }
            }
        }
        if (given.empty() && rule.kind != Rule::Kind::atMostOne) {
            for (const YamlEntry& entry : node.entries) {
                // A slip of the pen has been reported as an unknown key: one diagnostic for one mistake.
                const bool known =
                    std::any_of(shape.keys.begin(), shape.keys.end(), [&](const Key& key) { return key.name == entry.key; });
                if (!known && !nearest(entry.key, rule.keys).empty()) {
                    bad_.incomplete.insert(&node);
                    return;
                }
            }
            incomplete(node, what + " needs " + (rule.kind == Rule::Kind::exactlyOne ? "one of " : "at least one of ") +
                                 joined(rule.keys, " or "));
        } else if (given.size() > 1 && rule.kind != Rule::Kind::atLeastOne) {
            bad_.incomplete.insert(&node);
            Diagnostic& d = diagnostics_.error(second, what + " can have only one of " + joined(rule.keys, " or "));
            d.found = joined(given, " and ");
        }
    }

    Diagnostics& diagnostics_;
    BadNodes& bad_;
};

nlohmann::json ruleSchema(const Rule& rule) {
    nlohmann::json required = nlohmann::json::array();
    for (const std::string& key : rule.keys)
        required.push_back({{"required", {key}}});
    if (rule.kind == Rule::Kind::atLeastOne)
        return {{"anyOf", required}};
    if (rule.kind == Rule::Kind::exactlyOne)
        return {{"oneOf", required}};
    nlohmann::json pairs = nlohmann::json::array();
    for (std::size_t i = 0; i < rule.keys.size(); ++i) {
        for (std::size_t j = i + 1; j < rule.keys.size(); ++j)
            pairs.push_back({{"required", {rule.keys[i], rule.keys[j]}}});
    }
    return {{"not", {{"anyOf", pairs}}}};
}

} // namespace

void checkShape(const YamlNode& node, const Shape& shape, const std::string& what, Diagnostics& diagnostics, BadNodes& bad) {
    Checker(diagnostics, bad).check(node, shape, what);
}

nlohmann::json shapeSchema(const Shape& shape) {
    nlohmann::json out = nlohmann::json::object();
    if (!shape.description.empty())
        out["description"] = shape.description;
    switch (shape.type) {
    case Shape::Type::any:
        break;
    case Shape::Type::text:
        // Any scalar will do where text is wanted: `spiderpool: 0.8`, `cpu: 40`.
        if (!shape.allowed.empty()) {
            out["enum"] = shape.allowed;
            for (const std::string& one : shape.allowed) {
                const auto typed = nlohmann::json::parse(one, nullptr, false);
                if (typed.is_number())
                    out["enum"].push_back(typed);
            }
            break;
        }
        out["type"] = {"string", "number", "boolean"};
        if (shape.format != nullptr && !shape.format->pattern.empty())
            out["pattern"] = shape.format->pattern;
        break;
    case Shape::Type::boolean:
        out["type"] = "boolean";
        break;
    case Shape::Type::integer:
        out["type"] = "integer";
        out["minimum"] = shape.min;
        out["maximum"] = shape.max;
        break;
    case Shape::Type::list:
        out["type"] = "array";
        out["items"] = shapeSchema(*shape.item);
        if (shape.nonEmpty)
            out["minItems"] = 1;
        break;
    case Shape::Type::map:
        out["type"] = "object";
        out["additionalProperties"] = shapeSchema(*shape.item);
        if (shape.nonEmpty)
            out["minProperties"] = 1;
        break;
    case Shape::Type::object:
        out["type"] = "object";
        out["additionalProperties"] = false;
        out["properties"] = nlohmann::json::object();
        for (const Key& key : shape.keys) {
            out["properties"][key.name] = shapeSchema(*key.shape);
            if (key.required)
                out["required"].push_back(key.name);
        }
        for (const Rule& rule : shape.rules)
            out["allOf"].push_back(ruleSchema(rule));
        break;
    case Shape::Type::either:
        for (const Alternative& alternative : shape.alternatives)
            out["anyOf"].push_back(shapeSchema(*alternative.shape));
        break;
    }
    return out;
}

} // namespace rdmalab::scenario
