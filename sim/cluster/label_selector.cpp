#include "sim/cluster/label_selector.h"

#include "sim/cluster/name_rules.h"
#include "sim/cluster/object_meta.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace rdmalab::cluster {
namespace {

bool matchesExpression(const Json& expression, const Json& labels) {
    const std::string key = stringAt(expression, {"key"}), op = stringAt(expression, {"operator"});
    const Json& value = at(labels, {key});
    const Json& values = at(expression, {"values"});
    const bool listed = std::find(values.begin(), values.end(), value) != values.end();
    if (op == "In")
        return !value.is_null() && listed;
    if (op == "NotIn") // an absent label is not in any set
        return value.is_null() || !listed;
    if (op == "Exists")
        return !value.is_null();
    if (op == "DoesNotExist")
        return value.is_null();
    return false;
}

std::string trim(const std::string& text) {
    const auto first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
    return first == std::string::npos ? std::string() : text.substr(first, last - first + 1);
}

// At commas that stand outside parentheses.
std::vector<std::string> splitTerms(const std::string& text) {
    std::vector<std::string> terms(1);
    int depth = 0;
    for (const char c : text) {
        depth += (c == '(') - (c == ')');
        if (c == ',' && depth == 0)
            terms.emplace_back();
        else
            terms.back() += c;
    }
    return terms;
}

Json parseTerm(const std::string& term) {
    const auto requirement = [](const std::string& key, const char* op, Json values = nullptr) {
        if (const auto problem = qualifiedNameProblem(key))
            throw badRequest(fmt::format("unable to parse requirement: <nil>: Invalid value: \"{}\": {}", key, *problem));
        Json made = {{"key", key}, {"operator", op}};
        if (!values.is_null())
            made["values"] = std::move(values);
        return made;
    };
    if (term.starts_with('!'))
        return requirement(trim(term.substr(1)), "DoesNotExist");
    for (const auto& [word, op] : {std::pair{" notin ", "NotIn"}, std::pair{" in ", "In"}}) {
        const auto found = term.find(word);
        const auto open = term.find('('), close = term.rfind(')');
        if (found == std::string::npos || open == std::string::npos || close == std::string::npos || close < open)
            continue;
        Json values = Json::array();
        std::string rest = term.substr(open + 1, close - open - 1) + ",";
        for (std::size_t start = 0, comma; (comma = rest.find(',', start)) != std::string::npos; start = comma + 1)
            values.push_back(trim(rest.substr(start, comma - start)));
        return requirement(trim(term.substr(0, found)), op, std::move(values));
    }
    for (const auto& [sign, op] : {std::pair{"!=", "NotIn"}, std::pair{"==", "In"}, std::pair{"=", "In"}}) {
        const auto found = term.find(sign);
        if (found != std::string::npos)
            return requirement(trim(term.substr(0, found)), op,
                               Json::array({trim(term.substr(found + std::string_view(sign).size()))}));
    }
    return requirement(term, "Exists");
}

} // namespace

bool matchesSelector(const Json& selector, const Json& labels) {
    if (selector.is_null())
        return false;
    for (const auto& [key, value] : at(selector, {"matchLabels"}).items())
        if (at(labels, {key}) != value)
            return false;
    const Json& expressions = at(selector, {"matchExpressions"});
    return std::all_of(expressions.begin(), expressions.end(), [&](const Json& e) { return matchesExpression(e, labels); });
}

std::vector<FieldError> labelSelectorProblems(const Json& selector, const std::string& path) {
    std::vector<FieldError> errors;
    for (const auto& [key, value] : at(selector, {"matchLabels"}).items()) {
        if (const auto problem = qualifiedNameProblem(key))
            errors.push_back(FieldError::invalid(path + ".matchLabels", Json(key).dump(), *problem));
        if (const auto problem = value.is_string() ? labelValueProblem(value.get<std::string>()) : std::nullopt)
            errors.push_back(FieldError::invalid(path + ".matchLabels", value.dump(), *problem));
    }
    std::size_t i = 0;
    for (const Json& expression : at(selector, {"matchExpressions"})) {
        const std::string field = fmt::format("{}.matchExpressions[{}]", path, i++), op = stringAt(expression, {"operator"});
        const bool hasValues = !at(expression, {"values"}).empty();
        if (op == "In" || op == "NotIn") {
            if (!hasValues)
                errors.push_back(FieldError::required(field + ".values", "must be specified when `operator` is 'In' or 'NotIn'"));
        } else if (op == "Exists" || op == "DoesNotExist") {
            if (hasValues)
                errors.push_back(FieldError::forbidden(field + ".values",
                                                       "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
        } else {
            errors.push_back(FieldError::invalid(field + ".operator", Json(op).dump(), "not a valid selector operator"));
        }
        if (const auto problem = qualifiedNameProblem(stringAt(expression, {"key"})))
            errors.push_back(FieldError::invalid(field + ".key", at(expression, {"key"}).dump(), *problem));
    }
    return errors;
}

Json parseSelector(const std::string& text) {
    Json expressions = Json::array();
    for (const std::string& raw : splitTerms(text))
        if (const std::string term = trim(raw); !term.empty())
            expressions.push_back(parseTerm(term));
    Json selector = Json::object();
    if (!expressions.empty())
        selector["matchExpressions"] = std::move(expressions);
    return selector;
}

} // namespace rdmalab::cluster
