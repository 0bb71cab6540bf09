#include "sim/cluster/name_rules.h"

#include <algorithm>
#include <string_view>

namespace rdmalab::cluster {
namespace {

bool lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool digit(char c) {
    return c >= '0' && c <= '9';
}
bool alnum(char c) {
    return lower(c) || digit(c) || (c >= 'A' && c <= 'Z');
}

bool isLabel(std::string_view s) {
    const auto inner = [](char c) { return lower(c) || digit(c) || c == '-'; };
    return !s.empty() && s.front() != '-' && s.back() != '-' && std::all_of(s.begin(), s.end(), inner);
}

bool isSubdomain(std::string_view s) {
    for (std::size_t start = 0;;) {
        const auto dot = s.find('.', start);
        if (!isLabel(s.substr(start, dot == std::string_view::npos ? dot : dot - start)))
            return false;
        if (dot == std::string_view::npos)
            return true;
        start = dot + 1;
    }
}

bool isQualified(std::string_view s) {
    const auto inner = [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; };
    return !s.empty() && alnum(s.front()) && alnum(s.back()) && std::all_of(s.begin(), s.end(), inner);
}

std::string tooLong(std::size_t most) {
    return "must be no more than " + std::to_string(most) + " characters";
}

constexpr const char* labelText =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr const char* subdomainText = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
                                      "'.', and must start and end with an "
                                      "alphanumeric character (e.g. 'example.com', regex used for validation is "
                                      "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr const char* dns1035Text =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end "
    "with "
    "an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
constexpr const char* qualifiedText =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr const char* labelValueText =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
    "an "
    "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

} // namespace

std::optional<std::string> dns1123LabelProblem(const std::string& value) {
    if (value.size() > 63)
        return tooLong(63);
    return isLabel(value) ? std::nullopt : std::optional<std::string>(labelText);
}

std::optional<std::string> dns1123SubdomainProblem(const std::string& value) {
    if (value.size() > 253)
        return tooLong(253);
    return isSubdomain(value) ? std::nullopt : std::optional<std::string>(subdomainText);
}

std::optional<std::string> dns1035LabelProblem(const std::string& value) {
    if (value.size() > 63)
        return tooLong(63);
    return isLabel(value) && !digit(value.front()) ? std::nullopt : std::optional<std::string>(dns1035Text);
}

std::optional<std::string> qualifiedNameProblem(const std::string& value) {
    std::string name = value;
    if (const auto slash = value.find('/'); slash != std::string::npos) {
        const std::string prefix = value.substr(0, slash);
        name = value.substr(slash + 1);
        if (name.find('/') != std::string::npos)
            return "a qualified name " + std::string(qualifiedText).substr(10) +
                   " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
        if (prefix.empty())
            return "prefix part must be non-empty";
        if (auto problem = dns1123SubdomainProblem(prefix))
            return "prefix part " + *problem;
    }
    if (name.empty())
        return "name part must be non-empty";
    if (name.size() > 63)
        return "name part " + tooLong(63);
    return isQualified(name) ? std::nullopt : std::optional<std::string>(qualifiedText);
}

std::optional<std::string> labelValueProblem(const std::string& value) {
    if (value.size() > 63)
        return tooLong(63);
    return value.empty() || isQualified(value) ? std::nullopt : std::optional<std::string>(labelValueText);
}

std::optional<std::string> objectNameProblem(const std::string& kind, const std::string& name) {
    if (kind == "Namespace")
        return dns1123LabelProblem(name);
    if (kind == "Service")
        return dns1035LabelProblem(name);
    if (kind.find("Role") != std::string::npos) // RBAC names are path segments
        return name.find('/') == std::string::npos ? std::nullopt : std::optional<std::string>("may not contain '/'");
    return dns1123SubdomainProblem(name);
}

} // namespace rdmalab::cluster
