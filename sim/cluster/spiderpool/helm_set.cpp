#include "sim/cluster/spiderpool/helm_set.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <vector>

namespace rdmalab::cluster {
namespace {

using Json = nlohmann::json;

class SetParser {
public:
    SetParser(const std::string& text, bool typed) : text_(text), typed_(typed) {}

    void applyTo(Json& values) {
        while (at_ < text_.size()) {
            const std::vector<Step> path = parsePath();
            assign(values, path, parseValue());
        }
    }

private:
    struct Step {
        std::string key;
        std::size_t index = 0;
        bool isIndex = false;
    };

    [[noreturn]] void fail(const std::string& why) const {
        throw std::invalid_argument("failed parsing --set data \"" + text_ + "\": " + why);
    }

    std::vector<Step> parsePath() {
        std::vector<Step> path;
        std::string key;
        bool afterIndex = false;
        const auto finishKey = [&] {
            if (!key.empty())
                path.push_back({std::exchange(key, {}), 0, false});
            else if (!afterIndex)
                fail("key is empty");
            afterIndex = false;
        };
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '\\' && at_ + 1 < text_.size()) {
                key += text_[++at_];
            } else if (c == '.') {
                finishKey();
            } else if (c == '[') {
                finishKey();
                const auto close = text_.find(']', at_);
                std::size_t index = 0;
                const char* begin = text_.data() + at_ + 1;
                const char* end = close == std::string::npos ? begin : text_.data() + close;
                if (const auto [rest, error] = std::from_chars(begin, end, index);
                    error != std::errc() || rest != end || begin == end)
                    fail("error parsing index");
                path.push_back({"", index, true});
                at_ = close;
                afterIndex = true;
            } else if (c == '=') {
                finishKey();
                ++at_;
                return path;
            } else if (c == ',') {
                break;
            } else {
                key += c;
            }
        }
        fail("key \"" + key + "\" has no value");
    }

    std::string parseText(const char* stops) {
        std::string value;
        if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
            const auto close = text_.find(text_[at_], at_ + 1);
            const auto after = close == std::string::npos ? close : close + 1;
            if (after != std::string::npos &&
                (after == text_.size() || std::string_view(stops).find(text_[after]) != std::string::npos)) {
                value = text_.substr(at_ + 1, close - at_ - 1);
                at_ = after;
                return value;
            }
        }
        for (; at_ < text_.size() && std::string_view(stops).find(text_[at_]) == std::string_view::npos; ++at_) {
            if (text_[at_] == '\\' && at_ + 1 < text_.size())
                ++at_;
            value += text_[at_];
        }
        return value;
    }

    Json parseValue() {
        if (at_ < text_.size() && text_[at_] == '{') {
            Json list = Json::array();
            ++at_;
            while (true) {
                const std::string item = parseText(",}");
                if (at_ >= text_.size())
                    fail("list must terminate with '}'");
                const bool last = text_[at_++] == '}';
                if (!(last && item.empty() && list.empty()))
                    list.push_back(typedValue(item));
                if (last)
                    break;
            }
            skipComma();
            return list;
        }
        const std::string value = parseText(",");
        skipComma();
        return typedValue(value);
    }

    void skipComma() {
        if (at_ < text_.size() && text_[at_] == ',')
            ++at_;
    }

    Json typedValue(const std::string& text) const {
        if (!typed_)
            return text;
        std::string lower = text;
        std::transform(lower.begin(), lower.end(), lower.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        if (lower == "true")
            return true;
        if (lower == "false")
            return false;
        if (lower == "null")
            return nullptr;
        if (text == "0")
            return 0;
        std::int64_t number = 0;
        const char* end = text.data() + text.size();
        const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
        // A leading zero means an identifier ("0123"), not an octal number.
        if (!text.empty() && text.front() != '0')
            if (const auto [rest, error] = std::from_chars(begin, end, number);
                error == std::errc() && rest == end && begin != end)
                return number;
        return text;
    }

    static void assign(Json& values, const std::vector<Step>& path, Json value) {
        Json* place = &values;
        for (std::size_t i = 0; i < path.size(); ++i) {
            const Step& step = path[i];
            const bool last = i + 1 == path.size();
            if (step.isIndex) {
                if (!place->is_array())
                    *place = Json::array();
                while (place->size() <= step.index)
                    place->push_back(nullptr);
                place = &(*place)[step.index];
            } else {
                if (!place->is_object())
                    *place = Json::object();
                // The null stays: it is what takes the chart's default away when the values are merged.
                place = &(*place)[step.key];
            }
            if (last)
                *place = std::move(value);
        }
    }

    const std::string& text_;
    bool typed_;
    std::size_t at_ = 0;
};

} // namespace

void applyHelmSet(Json& values, const std::string& expression) {
    SetParser(expression, true).applyTo(values);
}
void applyHelmSetString(Json& values, const std::string& expression) {
    SetParser(expression, false).applyTo(values);
}

} // namespace rdmalab::cluster
