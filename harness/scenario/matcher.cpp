#include "harness/scenario/matcher.h"

#include "harness/scenario/diagnostic.h"
#include "harness/scenario/scenario.h"
#include "util/ip.h"

#include <nlohmann/json.hpp>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace rdmalab::scenario {

namespace {

constexpr std::array<std::string_view, 11> operators = {"$contains", "$notContains", "$matches", "$in",   "$range", "$gte",
                                                        "$lte",      "$absent",      "$length",  "$json", "$not"};

bool isOperator(const Json& expected) {
    return expected.is_object() && expected.size() == 1 && expected.begin().key().starts_with('$');
}

RE2::Options regexOptions() {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(8 << 20);
    return options;
}

std::string dump(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Long values are cut in messages; a pod is some kilobytes.
std::string shown(const Json& value) {
    constexpr std::size_t limit = 400;
    std::string text = dump(value);
    if (text.size() > limit) {
        std::size_t cut = limit;
        while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80)
            --cut;
        text.resize(cut);
        text += "...";
    }
    return text;
}

std::string shownAt(const Json* actual) {
    return actual == nullptr ? "nothing" : shown(*actual);
}

std::optional<double> number(const Json& value) {
    if (value.is_number())
        return value.get<double>();
    if (!value.is_string())
        return std::nullopt;
    const std::string& text = value.get_ref<const std::string&>();
    std::int64_t whole = 0;
    const char* end = text.data() + text.size();
    if (const auto [rest, failed] = std::from_chars(text.data(), end, whole);
        failed != std::errc() || rest != end || text.empty())
        return std::nullopt;
    return static_cast<double>(whole);
}

std::string inPath(const std::string& path, const std::string& key) {
    for (const char c : key) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!plain)
            return path + '[' + key + ']';
    }
    return path.empty() ? key : path + '.' + key;
}

class Matcher {
public:
    explicit Matcher(const PlacedJson* placed) : placed_(placed) {}

    // `actual` is null when there is no such key.
    void match(const Json& expected, const Json* actual, const std::string& pointer, const std::string& path) {
        if (isOperator(expected))
            return matchOperator(expected.begin().key(), *expected.begin(), actual, pointer, path);
        if (expected.is_null()) {
            if (actual != nullptr && !actual->is_null())
                miss(pointer, path, "null, or no such key", actual);
            return;
        }
        if (actual == nullptr)
            return miss(pointer, path, shown(expected), actual);
        if (expected.is_object())
            return matchObject(expected, *actual, pointer, path);
        if (expected.is_array())
            return matchList(expected, *actual, pointer, path);
        if (expected != *actual)
            miss(pointer, path, shown(expected), actual);
    }

    std::vector<Mismatch> misses;

private:
    void miss(const std::string& pointer, const std::string& path, std::string expected, const Json* actual) {
        misses.push_back({path, std::move(expected), shownAt(actual), placed_ == nullptr ? Place() : placed_->placeOf(pointer)});
    }

    void matchObject(const Json& expected, const Json& actual, const std::string& pointer, const std::string& path) {
        if (!actual.is_object())
            return miss(pointer, path, shown(expected), &actual);
        for (const auto& [key, value] : expected.items()) {
            const auto it = actual.find(key);
            match(value, it == actual.end() ? nullptr : &*it, pointer + '/' + pointerToken(key), inPath(path, key));
        }
    }

    void matchList(const Json& expected, const Json& actual, const std::string& pointer, const std::string& path) {
        if (!actual.is_array())
            return miss(pointer, path, shown(expected), &actual);
        if (expected.size() != actual.size()) {
            miss(pointer, path, std::to_string(expected.size()) + " items: " + shown(expected), &actual);
            misses.back().found = std::to_string(actual.size()) + " items: " + misses.back().found;
            return;
        }
        for (std::size_t i = 0; i < expected.size(); ++i)
            match(expected[i], &actual[i], pointer + '/' + std::to_string(i), path + '[' + std::to_string(i) + ']');
    }

    static bool fits(const Json& expected, const Json* actual) {
        Matcher inner(nullptr);
        inner.match(expected, actual, {}, {});
        return inner.misses.empty();
    }

    static bool contains(const Json& wanted, const Json& actual) {
        if (actual.is_string())
            return wanted.is_string() &&
                   actual.get_ref<const std::string&>().find(wanted.get_ref<const std::string&>()) != std::string::npos;
        if (actual.is_array()) {
            for (const Json& item : actual) {
                if (fits(wanted, &item))
                    return true;
            }
        }
        return false;
    }

    void matchOperator(const std::string& name, const Json& operand, const Json* actual, const std::string& pointer,
                       const std::string& path) {
        const std::string inner = pointer + '/' + name;
        if (name == "$absent") {
            if (operand == Json(true) ? actual != nullptr : actual == nullptr)
                miss(inner, path, operand == Json(true) ? "no such key" : "any value", actual);
            return;
        }
        if (name == "$not") {
            if (fits(operand, actual))
                miss(inner, path, "not " + shown(operand), actual);
            return;
        }
        if (name == "$in") {
            for (const Json& one : operand.is_array() ? operand : Json::array({operand})) {
                if (fits(one, actual))
                    return;
            }
            return miss(inner, path, "one of " + shown(operand), actual);
        }
        if (actual == nullptr)
            return miss(inner, path, phrase(name, operand), actual);
        if (name == "$contains")
            return matchContains(operand, *actual, inner, path);
        if (name == "$json")
            return matchJson(operand, *actual, inner, path);
        if (!holds(name, operand, *actual))
            miss(inner, path, phrase(name, operand), actual);
    }

    void matchContains(const Json& operand, const Json& actual, const std::string& pointer, const std::string& path) {
        if (!operand.is_array()) {
            if (!contains(operand, actual))
                miss(pointer, path, phrase("$contains", operand), &actual);
            return;
        }
        for (std::size_t i = 0; i < operand.size(); ++i) {
            if (!contains(operand[i], actual))
                miss(pointer + '/' + std::to_string(i), path, phrase("$contains", operand[i]), &actual);
        }
    }

    void matchJson(const Json& operand, const Json& actual, const std::string& pointer, const std::string& path) {
        if (!actual.is_string())
            return miss(pointer, path, "text that holds JSON", &actual);
        // Printing a value recurses; what a pod wrote must not be able to exhaust the stack.
        constexpr int deepest = 200;
        bool tooDeep = false;
        const auto bounded = [&](int depth, Json::parse_event_t, Json&) {
            tooDeep = tooDeep || depth > deepest;
            return depth <= deepest;
        };
        const Json parsed = Json::parse(actual.get_ref<const std::string&>(), bounded, false);
        if (parsed.is_discarded() || tooDeep)
            return miss(pointer, path, "text that holds JSON", &actual);
        match(operand, &parsed, pointer, path + "(json)");
    }

    static bool holds(const std::string& name, const Json& operand, const Json& actual) {
        if (name == "$notContains") {
            if (!actual.is_string() && !actual.is_array())
                return false;
            for (const Json& one : operand.is_array() ? operand : Json::array({operand})) {
                if (contains(one, actual))
                    return false;
            }
            return true;
        }
        if (name == "$matches") {
            if (!operand.is_string() || !actual.is_string())
                return false;
            const RE2 pattern(operand.get_ref<const std::string&>(), regexOptions());
            return pattern.ok() && RE2::PartialMatch(actual.get_ref<const std::string&>(), pattern);
        }
        if (name == "$range") {
            if (!operand.is_string() || !actual.is_string())
                return false;
            const auto range = IpRange::parse(operand.get_ref<const std::string&>());
            const std::string& text = actual.get_ref<const std::string&>();
            const auto ip = IpAddress::parse(std::string_view(text).substr(0, text.find('/')));
            return range && ip && ip->isV4() == range->first.isV4() && range->contains(*ip);
        }
        if (name == "$gte" || name == "$lte") {
            const auto limit = number(operand), value = number(actual);
            return limit && value && (name == "$gte" ? *value >= *limit : *value <= *limit);
        }
        if (name == "$length") {
            if (actual.is_string())
                return operand == Json(actual.get_ref<const std::string&>().size());
            return (actual.is_array() || actual.is_object()) && operand == Json(actual.size());
        }
        return false;
    }

    static std::string phrase(const std::string& name, const Json& operand) {
        if (name == "$contains")
            return "something that contains " + shown(operand);
        if (name == "$notContains")
            return "something that does not contain " + shown(operand);
        if (name == "$matches")
            return "text that matches " + shown(operand);
        if (name == "$range")
            return "an address in " + (operand.is_string() ? operand.get<std::string>() : shown(operand));
        if (name == "$gte")
            return "at least " + shown(operand);
        if (name == "$lte")
            return "at most " + shown(operand);
        if (name == "$length")
            return "a length of " + shown(operand);
        if (name == "$json")
            return "text that holds JSON like " + shown(operand);
        return name + ' ' + shown(operand);
    }

    const PlacedJson* placed_;
};

class ExpectationChecker {
public:
    ExpectationChecker(const PlacedJson& placed, Diagnostics& diagnostics) : placed_(placed), diagnostics_(diagnostics) {}

    void check(const Json& value, const std::string& pointer) {
        if (value.is_array()) {
            for (std::size_t i = 0; i < value.size(); ++i)
                check(value[i], pointer + '/' + std::to_string(i));
        }
        if (!value.is_object())
            return;
        for (const auto& [key, part] : value.items()) {
            const std::string at = pointer + '/' + pointerToken(key);
            if (key.starts_with('$'))
                checkOperator(value, key, part, at);
            check(part, at);
        }
    }

private:
    Diagnostic& report(const std::string& pointer, std::string message) {
        return diagnostics_.error(placed_.placeOf(pointer), std::move(message));
    }

    void checkOperator(const Json& around, const std::string& key, const Json& operand, const std::string& at) {
        const std::vector<std::string> known(operators.begin(), operators.end());
        if (std::find(known.begin(), known.end(), key) == known.end()) {
            Diagnostic& d = report(at, "unknown operator '" + key + "'");
            for (const std::string& one : known)
                d.expected += (d.expected.empty() ? "" : ", ") + one;
            if (const std::string similar = nearest(key, known); !similar.empty())
                d.hint = "did you mean '" + similar + "'?";
            return;
        }
        if (around.size() != 1) {
            report(at, "an operator must be the only key of its map").found = "'" + key + "' with other keys";
            return;
        }
        const std::string wanted = operandProblem(key, operand);
        if (!wanted.empty()) {
            Diagnostic& d = report(at, key + " needs " + wanted);
            d.found = shown(operand);
        }
    }

    static std::string operandProblem(const std::string& key, const Json& operand) {
        if (key == "$matches") {
            if (!operand.is_string())
                return "a regular expression";
            const std::string problem = regexProblem(operand.get<std::string>());
            return problem.empty() ? "" : "a regular expression: " + problem;
        }
        if (key == "$in" && (!operand.is_array() || operand.empty()))
            return "a list";
        if (key == "$range") {
            const auto range = operand.is_string() ? IpRange::parse(operand.get<std::string>()) : std::nullopt;
            if (!range || range->last < range->first)
                return "two IP addresses with a dash between, as 10.0.0.1-10.0.0.9";
        }
        if ((key == "$gte" || key == "$lte") && !number(operand))
            return "a number";
        if (key == "$length" && !operand.is_number_integer())
            return "a whole number";
        if (key == "$absent" && !operand.is_boolean())
            return "true or false";
        return {};
    }

    const PlacedJson& placed_;
    Diagnostics& diagnostics_;
};

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view white = " \t\r\n";
    const auto first = text.find_first_not_of(white);
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(white) - first + 1);
}

} // namespace

std::string Mismatch::str() const {
    return (path.empty() ? "" : path + ": ") + "expected " + expected + ", found " + found;
}

std::vector<Mismatch> matchPartial(const PlacedJson& expected, const Json& actual) {
    Matcher matcher(&expected);
    matcher.match(expected.json(), &actual, {}, {});
    // As they stand in the file, not as JSON sorts keys.
    std::stable_sort(matcher.misses.begin(), matcher.misses.end(),
                     [](const Mismatch& a, const Mismatch& b) { return a.place < b.place; });
    return std::move(matcher.misses);
}

std::vector<Mismatch> matchPartial(const Json& expected, const Json& actual) {
    Matcher matcher(nullptr);
    matcher.match(expected, &actual, {}, {});
    return std::move(matcher.misses);
}

std::vector<Mismatch> matchText(const TextExpectation& expected, std::string_view actual, std::string_view what) {
    using Op = TextExpectation::Op;
    std::vector<Mismatch> misses;
    for (const TextExpectation::Clause& clause : expected.clauses) {
        const std::string quoted = shown(Json(clause.text));
        std::string phrase;
        switch (clause.op) {
        case Op::contains:
            if (actual.find(clause.text) == std::string_view::npos)
                phrase = "text that contains " + quoted;
            break;
        case Op::notContains:
            if (actual.find(clause.text) != std::string_view::npos)
                phrase = "text that does not contain " + quoted;
            break;
        case Op::matches: {
            RE2::Options options = regexOptions();
            options.set_one_line(false);
            const RE2 pattern("(?m)" + clause.text, options);
            if (!pattern.ok() || !RE2::PartialMatch(re2::StringPiece(actual.data(), actual.size()), pattern))
                phrase = "text that matches " + quoted;
            break;
        }
        case Op::equals:
            if (trimmed(actual) != trimmed(clause.text))
                phrase = quoted;
            break;
        }
        if (!phrase.empty())
            misses.push_back({std::string(what), std::move(phrase), actual.empty() ? "nothing" : shown(Json(std::string(actual))),
                              clause.place});
    }
    return misses;
}

void checkExpectation(const PlacedJson& expected, Diagnostics& diagnostics) {
    ExpectationChecker(expected, diagnostics).check(expected.json(), {});
}

std::string regexProblem(const std::string& regex) {
    const RE2 pattern(regex, regexOptions());
    return pattern.ok() ? std::string() : pattern.error();
}

} // namespace rdmalab::scenario
