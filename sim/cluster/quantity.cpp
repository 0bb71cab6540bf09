#include "sim/cluster/quantity.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace rdmalab::cluster {
namespace {

constexpr std::array<const char*, 7> binarySuffixes = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
constexpr std::array<const char*, 10> decimalSuffixes = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"}; // 10^-9 upwards

std::int64_t limited(auto value) {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    return value > most ? most : value < -most ? -most : static_cast<std::int64_t>(value);
}

std::string digits(auto value) {
    std::string out;
    const bool negative = value < 0;
    if (negative)
        value = -value;
    do
        out += static_cast<char>('0' + static_cast<int>(value % 10));
    while ((value /= 10) > 0);
    if (negative)
        out += '-';
    std::reverse(out.begin(), out.end());
    return out;
}

} // namespace

std::optional<Quantity> Quantity::parse(std::string_view text) {
    Quantity quantity;
    std::size_t at = 0;
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+'))
        ++at;
    Wide mantissa = 0;
    int fraction = 0, seen = 0;
    bool dot = false, lost = false;
    for (; at < text.size() && (text[at] == '.' || (text[at] >= '0' && text[at] <= '9')); ++at) {
        if (text[at] == '.') {
            if (dot)
                return std::nullopt;
            dot = true;
            continue;
        }
        ++seen;
        if (dot && fraction >= 18) {
            lost = lost || text[at] != '0';
            continue;
        }
        if (mantissa > static_cast<Wide>(1) << 100)
            return std::nullopt;
        mantissa = mantissa * 10 + (text[at] - '0');
        fraction += dot;
    }
    if (seen == 0)
        return std::nullopt;
    const std::string_view suffix = text.substr(at);
    Wide scale = 1; // applied to `mantissa` after the move to nano
    int exponent = 9 - fraction;
    if (const auto binary = std::find(binarySuffixes.begin() + 1, binarySuffixes.end(), suffix); binary != binarySuffixes.end()) {
        quantity.form_ = Form::binary;
        scale = static_cast<Wide>(1) << (10 * (binary - binarySuffixes.begin()));
    } else if (const auto decimal = std::find(decimalSuffixes.begin(), decimalSuffixes.end(), suffix);
               decimal != decimalSuffixes.end()) {
        exponent += 3 * static_cast<int>(decimal - decimalSuffixes.begin() - 3);
    } else if (suffix.size() > 1 && (suffix[0] == 'e' || suffix[0] == 'E')) {
        int power = 0;
        const char* begin = suffix.data() + (suffix[1] == '+' ? 2 : 1);
        const char* end = suffix.data() + suffix.size();
        if (const auto [rest, error] = std::from_chars(begin, end, power); error != std::errc() || rest != end || begin == end)
            return std::nullopt;
        quantity.form_ = Form::exponent;
        exponent += power;
    } else {
        return std::nullopt;
    }
    if (exponent > 28)
        return std::nullopt;
    Wide value = mantissa * scale;
    for (; exponent > 0; --exponent) {
        if (value > static_cast<Wide>(1) << 120)
            return std::nullopt;
        value *= 10;
    }
    // Finer than a billionth: rounded up, as upstream does.
    for (; exponent < 0; ++exponent) {
        lost = lost || value % 10 != 0;
        value /= 10;
    }
    value += lost;
    quantity.nano_ = negative ? -value : value;
    return quantity;
}

std::optional<Quantity> Quantity::of(const nlohmann::json& value) {
    if (value.is_string())
        return parse(std::string_view(value.get_ref<const std::string&>()));
    return value.is_number() ? parse(std::string_view(value.dump())) : std::nullopt;
}

std::int64_t Quantity::whole() const {
    return limited(nano_ / billion + (nano_ % billion > 0));
}

std::int64_t Quantity::milli() const {
    return limited(nano_ / 1'000'000 + (nano_ % 1'000'000 > 0));
}

std::string Quantity::str() const {
    const Wide size = nano_ < 0 ? -nano_ : nano_;
    if (size == 0)
        return "0";
    if (form_ == Form::binary && isInteger() && size >= 1024 * billion) {
        Wide value = nano_ / billion;
        std::size_t suffix = 0;
        for (; suffix + 1 < binarySuffixes.size() && value % 1024 == 0; ++suffix)
            value /= 1024;
        return digits(value) + binarySuffixes[suffix];
    }
    Wide value = nano_;
    std::size_t suffix = 0;
    for (; suffix + 1 < decimalSuffixes.size() && value % 1000 == 0; ++suffix)
        value /= 1000;
    if (form_ != Form::exponent)
        return digits(value) + decimalSuffixes[suffix];
    const int power = 3 * static_cast<int>(suffix) - 9;
    return digits(value) + (power == 0 ? "" : "e" + std::to_string(power));
}

} // namespace rdmalab::cluster
