#include "plugins/cni/protocol/go_json.h"

#include <fmt/format.h>

#include <stdexcept>

namespace rdmalab::plugin {

namespace {

// These bytes occur in serialised JSON only inside of strings, so they can be replaced wherever they are.
std::string escapeHtml(const std::string& text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (c == '<')
            out += "\\u003c";
        else if (c == '>')
            out += "\\u003e";
        else if (c == '&')
            out += "\\u0026";
        else
            out += c;
    }
    return out;
}

template <typename Json>
std::string dump(const Json& value, int indent) {
    return escapeHtml(value.dump(indent, ' ', false, Json::error_handler_t::replace));
}

} // namespace

std::string goJson(const nlohmann::json& value, int indent) {
    return dump(value, indent);
}

std::string goJson(const nlohmann::ordered_json& value, int indent) {
    return dump(value, indent);
}

nlohmann::json parseJson(const std::string& text) {
    try {
        return nlohmann::json::parse(text);
    } catch (const nlohmann::json::parse_error& error) {
        if (error.byte > 0 && error.byte <= text.size())
            throw std::runtime_error(fmt::format("invalid character '{}' looking for beginning of value", text[error.byte - 1]));
        throw std::runtime_error("unexpected end of JSON input");
    }
}

std::string goQuote(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        switch (c) {
        case '"':
            out += "\\\"";
            break;
        case '\\':
            out += "\\\\";
            break;
        case '\n':
            out += "\\n";
            break;
        case '\r':
            out += "\\r";
            break;
        case '\t':
            out += "\\t";
            break;
        default:
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
                out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
            else
                out += c;
        }
    }
    return out + '"';
}

std::string goQuoteList(const std::vector<std::string>& items) {
    std::string out = "[";
    for (const auto& item : items)
        out += (out.size() > 1 ? " " : "") + goQuote(item);
    return out + "]";
}

std::string goList(const std::vector<std::string>& items) {
    return fmt::format("[{}]", fmt::join(items, " "));
}

const nlohmann::json& memberOf(const nlohmann::json& object, const char* key) {
    static const nlohmann::json none;
    if (!object.is_object())
        return none;
    const auto found = object.find(key);
    return found == object.end() ? none : *found;
}

std::string stringOf(const nlohmann::json& object, const char* key, const std::string& fallback) {
    const auto& member = memberOf(object, key);
    return member.is_string() ? member.get<std::string>() : fallback;
}

bool boolOf(const nlohmann::json& object, const char* key, bool fallback) {
    const auto& member = memberOf(object, key);
    return member.is_boolean() ? member.get<bool>() : fallback;
}

long intOf(const nlohmann::json& object, const char* key, long fallback) {
    const auto& member = memberOf(object, key);
    return member.is_number() ? member.get<long>() : fallback;
}

std::vector<std::string> stringsOf(const nlohmann::json& object, const char* key) {
    std::vector<std::string> out;
    const auto& member = memberOf(object, key);
    if (member.is_array())
        for (const auto& item : member)
            if (item.is_string())
                out.push_back(item.get<std::string>());
    return out;
}

} // namespace rdmalab::plugin
