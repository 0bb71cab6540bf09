#include "sim/hardware/yaml_reader.h"

#include "sim/hardware/hardware_error.h"
#include "sim/hardware/naming.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <charconv>
#include <set>

namespace rdmalab::hardware {
namespace {

bool isPrintable(const std::string& text) {
    return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

} // namespace

bool isWord(const std::string& text) {
    const auto fine = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; };
    return !text.empty() && text != "." && text != ".." && std::all_of(text.begin(), text.end(), fine);
}

YamlReader::YamlReader(YAML::Node node, std::string fileName) : node_(std::move(node)), fileName_(std::move(fileName)) {
    if (!node_.IsMap())
        fail(node_, "expected a mapping (key: value)");
    std::set<std::string> keys;
    for (const auto& entry : node_) {
        if (!entry.first.IsScalar())
            fail(entry.first, "a key must be a text");
        if (!keys.insert(entry.first.Scalar()).second)
            fail(entry.first, fmt::format("'{}' is there twice", entry.first.Scalar()));
    }
}

void YamlReader::fail(const YAML::Node& at, const std::string& message) const {
    const YAML::Mark mark = at.Mark();
    throw HardwareError(fmt::format("{}:{}:{}", fileName_, std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1), message);
}

YAML::Node YamlReader::find(const std::string& key, bool required) {
    asked_.push_back(key);
    // Not operator[]: on a Node that is not const it would add the key.
    for (const auto& entry : node_)
        if (entry.first.Scalar() == key) {
            if (entry.second.IsNull()) // whose mark is that of what comes next
                fail(entry.first, fmt::format("'{}' has no value", key));
            return entry.second;
        }
    if (required)
        fail(node_, fmt::format("'{}' is missing", key));
    return YAML::Node(YAML::NodeType::Undefined);
}

YAML::Node YamlReader::node(const std::string& key) {
    return find(key, false);
}

std::optional<YamlReader> YamlReader::mapping(const std::string& key) {
    const YAML::Node found = find(key, false);
    if (!found.IsDefined())
        return std::nullopt;
    return YamlReader(found, fileName_);
}

YamlReader YamlReader::requiredMapping(const std::string& key) {
    return YamlReader(find(key, true), fileName_);
}

std::vector<YamlReader> YamlReader::mappings(const std::string& key) {
    const YAML::Node found = find(key, false);
    std::vector<YamlReader> result;
    if (!found.IsDefined())
        return result;
    if (!found.IsSequence())
        fail(found, fmt::format("'{}' must be a list", key));
    for (const auto& entry : found)
        result.emplace_back(entry, fileName_);
    return result;
}

std::string YamlReader::text(const std::string& key) {
    const YAML::Node found = find(key, true);
    if (!found.IsScalar() || found.Scalar().empty())
        fail(found, fmt::format("'{}' must be a text", key));
    if (!isPrintable(found.Scalar()))
        fail(found, fmt::format("'{}' must be one line without control characters", key));
    return found.Scalar();
}

std::string YamlReader::word(const std::string& key) {
    const std::string found = text(key);
    if (!isWord(found))
        fail(node(key), fmt::format("'{}' must be made of letters, digits, '-', '_' and '.', found '{}'", key, found));
    return found;
}

std::string YamlReader::textOr(const std::string& key, const std::string& fallback) {
    return node(key).IsDefined() ? text(key) : fallback;
}

std::vector<std::string> YamlReader::texts(const std::string& key) {
    const YAML::Node found = find(key, false);
    std::vector<std::string> result;
    if (!found.IsDefined())
        return result;
    if (!found.IsSequence())
        fail(found, fmt::format("'{}' must be a list", key));
    for (const auto& entry : found) {
        if (!entry.IsScalar() || entry.Scalar().empty() || !isPrintable(entry.Scalar()))
            fail(entry, fmt::format("'{}' must be a list of texts", key));
        result.push_back(entry.Scalar());
    }
    return result;
}

std::uint64_t YamlReader::number(const std::string& key, std::uint64_t largest) {
    const YAML::Node found = find(key, true);
    std::uint64_t value = 0;
    const std::string text = found.IsScalar() ? found.Scalar() : "";
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || value > largest)
        fail(found, fmt::format("'{}' must be a number from 0 to {}, found '{}'", key, largest, text));
    return value;
}

std::uint64_t YamlReader::positive(const std::string& key, std::uint64_t largest) {
    const std::uint64_t value = number(key, largest);
    if (value == 0)
        fail(node(key), fmt::format("'{}' must be at least 1", key));
    return value;
}

std::uint64_t YamlReader::numberOr(const std::string& key, std::uint64_t fallback, std::uint64_t largest) {
    return node(key).IsDefined() ? number(key, largest) : fallback;
}

std::uint64_t YamlReader::hex(const std::string& key, unsigned digits) {
    const YAML::Node found = find(key, true);
    std::string text = found.IsScalar() ? found.Scalar() : "";
    const std::string written = text;
    if (text.starts_with("0x"))
        text.erase(0, 2);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (text.size() != digits || error != std::errc() || end != text.data() + text.size())
        fail(found, fmt::format("'{}' must be {} hexadecimal digits, found '{}'", key, digits, written));
    return value;
}

std::uint64_t YamlReader::size(const std::string& key) {
    const YAML::Node found = find(key, true);
    const std::string text = found.IsScalar() ? found.Scalar() : "";
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string unit(end, text.data() + text.size());
    const std::uint64_t factor = unit == "K" ? 1 << 10 : unit == "M" ? 1 << 20 : unit == "G" ? 1 << 30 : unit.empty() ? 1 : 0;
    if (error != std::errc() || factor == 0 || value > (std::uint64_t(1) << 62) / factor || !std::has_single_bit(value * factor))
        fail(found, fmt::format("'{}' must be a power of two of bytes such as 64K, 32M or 1G, found '{}'", key, text));
    return value * factor;
}

bool YamlReader::flag(const std::string& key) {
    const YAML::Node found = find(key, false);
    if (!found.IsDefined())
        return false;
    if (!found.IsScalar() || (found.Scalar() != "true" && found.Scalar() != "false"))
        fail(found, fmt::format("'{}' must be true or false", key));
    return found.Scalar() == "true";
}

void YamlReader::finish() const {
    for (const auto& entry : node_) {
        const std::string& key = entry.first.Scalar();
        if (std::find(asked_.begin(), asked_.end(), key) != asked_.end())
            continue;
        const auto meant = closest(key, asked_);
        fail(entry.first, fmt::format("unknown key '{}'{}", key, meant ? fmt::format(", did you mean '{}'?", *meant) : ""));
    }
}

} // namespace rdmalab::hardware
