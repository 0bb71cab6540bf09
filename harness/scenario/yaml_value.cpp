#include "harness/scenario/yaml_value.h"

#include "harness/scenario/diagnostic.h"

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace rdmalab::scenario {

namespace {

constexpr std::array<std::string_view, 11> trueWords = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};
constexpr std::array<std::string_view, 11> falseWords = {"n",     "N",     "no",  "No",  "NO", "false",
                                                         "False", "FALSE", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 5> nullWords = {"", "~", "null", "Null", "NULL"};

template <typename Words>
bool among(const Words& words, std::string_view text) {
    for (const std::string_view word : words) {
        if (word == text)
            return true;
    }
    return false;
}

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

// Go's strconv.ParseInt(text, 0, 64) / ParseUint, with underscores gone.
std::optional<Json> wholeNumber(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+'))
        text.remove_prefix(1);
    int base = 10;
    if (text.size() > 1 && text[0] == '0') {
        const char mark = static_cast<char>(text[1] | 0x20);
        base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
        text.remove_prefix(mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
    }
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || failed != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (negative) {
        if (value > most + 1)
            return std::nullopt;
        return Json(value == most + 1 ? std::numeric_limits<std::int64_t>::min() : -static_cast<std::int64_t>(value));
    }
    if (value <= most)
        return Json(static_cast<std::int64_t>(value));
    return Json(value);
}

// ^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$
bool looksLikeFloat(std::string_view text) {
    std::size_t i = 0;
    const auto digits = [&] {
        const std::size_t start = i;
        while (i < text.size() && isDigit(text[i]))
            ++i;
        return i > start;
    };
    const auto sign = [&] {
        if (i < text.size() && (text[i] == '-' || text[i] == '+'))
            ++i;
    };
    sign();
    if (i < text.size() && text[i] == '.') {
        ++i;
        if (!digits())
            return false;
    } else {
        if (!digits())
            return false;
        if (i < text.size() && text[i] == '.') {
            ++i;
            digits();
        }
    }
    if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
        ++i;
        sign();
        if (!digits())
            return false;
    }
    return i == text.size();
}

std::optional<double> notFinite(std::string_view text) {
    const bool negative = text.starts_with('-');
    std::string_view rest = text;
    if (negative || text.starts_with('+'))
        rest.remove_prefix(1);
    if (rest == ".inf" || rest == ".Inf" || rest == ".INF")
        return negative ? -INFINITY : INFINITY;
    if (text == ".nan" || text == ".NaN" || text == ".NAN")
        return NAN;
    return std::nullopt;
}

class Conversion {
public:
    explicit Conversion(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

    Json convert(const YamlNode& node, const std::string& pointer) {
        switch (node.kind) {
        case YamlNode::Kind::null:
            return nullptr;
        case YamlNode::Kind::scalar:
            return scalar(node);
        case YamlNode::Kind::list: {
            Json out = Json::array();
            for (const YamlPtr& item : node.items) {
                const std::string at = pointer + '/' + std::to_string(out.size());
                places.emplace(at, item->place);
                out.push_back(convert(*item, at));
            }
            return out;
        }
        case YamlNode::Kind::map:
            break;
        }
        Json out = Json::object();
        for (const YamlEntry& entry : node.entries) {
            const std::string key = keyText(entry);
            const std::string at = pointer + '/' + pointerToken(key);
            places.emplace(at, entry.place);
            out[key] = convert(*entry.value, at);
        }
        return out;
    }

    PlaceMap places;

private:
    Json scalar(const YamlNode& node) {
        if (!node.plain)
            return node.text;
        Json value = plainScalar(node.text);
        if (value.is_number_float() && !std::isfinite(value.get<double>())) {
            diagnostics_.error(node.place, "JSON has no such number").found = node.text;
            return nullptr;
        }
        return value;
    }

    std::string keyText(const YamlEntry& entry) {
        if (!entry.plainKey)
            return entry.key;
        const Json typed = plainScalar(entry.key);
        if (typed.is_string())
            return entry.key;
        if (typed.is_null() || typed.is_number_float())
            return entry.key;
        return typed.dump();
    }

    Diagnostics& diagnostics_;
};

} // namespace

Json plainScalar(std::string_view text) {
    if (among(nullWords, text))
        return nullptr;
    if (among(trueWords, text))
        return true;
    if (among(falseWords, text))
        return false;
    const char first = text[0];
    if (!isDigit(first) && first != '+' && first != '-' && first != '.')
        return std::string(text);
    if (const auto special = notFinite(text))
        return *special;
    std::string plain;
    for (const char c : text) {
        if (c != '_')
            plain += c;
    }
    if (auto whole = wholeNumber(plain))
        return *whole;
    if (looksLikeFloat(plain)) {
        double value = 0;
        const std::size_t sign = plain[0] == '+' ? 1 : 0; // from_chars takes none
        if (std::from_chars(plain.data() + sign, plain.data() + plain.size(), value).ec == std::errc::result_out_of_range)
            return std::string(text);
        // Go prints 1e3 and 1.0 without a fraction, so that the API server reads an integer.
        if (std::isfinite(value) && std::floor(value) == value && std::fabs(value) < 9.2e18)
            return static_cast<std::int64_t>(value);
        return value;
    }
    return std::string(text);
}

PlacedJson toJson(const YamlNode& node, Diagnostics& diagnostics) {
    Conversion conversion(diagnostics);
    conversion.places.emplace("", node.place);
    Json value = conversion.convert(node, "");
    return PlacedJson(std::move(value), std::move(conversion.places));
}

} // namespace rdmalab::scenario
