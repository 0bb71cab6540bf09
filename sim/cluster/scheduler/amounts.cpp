#include "sim/cluster/scheduler/amounts.h"

#include "sim/cluster/object_meta.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rdmalab::cluster {

namespace {

// The value of a quantity times `scale`, rounded up and clamped; digits are kept as an integer so that "0.1" is exact.
std::optional<std::int64_t> scaled(const Json& quantity, int scale) {
    if (quantity.is_number_integer())
        return quantity.get<std::int64_t>() * scale;
    const std::string text = quantity.is_string() ? quantity.get<std::string>() : quantity.is_number_float() ? quantity.dump() : "";
    std::size_t at = 0;
    const bool negative = !text.empty() && text[0] == '-';
    if (negative || (!text.empty() && text[0] == '+'))
        ++at;
    long double mantissa = 0, divisor = 1;
    bool digits = false, point = false;
    for (; at < text.size(); ++at) {
        if (text[at] >= '0' && text[at] <= '9') {
            mantissa = mantissa * 10 + (text[at] - '0');
            divisor *= point ? 10 : 1;
            digits = true;
        } else if (text[at] == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    if (!digits)
        return std::nullopt;
    const std::string suffix = text.substr(at);
    long double factor = 1;
    static const std::string decimal = "kMGTPE", binary = "KMGTPE";
    if (suffix.size() == 2 && suffix[1] == 'i' && binary.find(suffix[0]) != std::string::npos)
        factor = std::pow(1024.0L, static_cast<long double>(binary.find(suffix[0]) + 1));
    else if (suffix.size() == 1 && decimal.find(suffix[0]) != std::string::npos)
        factor = std::pow(1000.0L, static_cast<long double>(decimal.find(suffix[0]) + 1));
    else if (suffix == "m" || suffix == "u" || suffix == "n")
        divisor *= suffix == "m" ? 1e3L : suffix == "u" ? 1e6L : 1e9L;
    else if (suffix.size() > 1 && (suffix[0] == 'e' || suffix[0] == 'E'))
        factor = std::pow(10.0L, std::strtold(suffix.c_str() + 1, nullptr));
    else if (!suffix.empty())
        return std::nullopt;
    const long double value = std::ceil(mantissa * factor * static_cast<long double>(scale) / divisor);
    const auto limit = static_cast<long double>(std::numeric_limits<std::int64_t>::max() / 2);
    const auto whole = static_cast<std::int64_t>(std::min(value, limit));
    return negative ? -whole : whole;
}

void add(Amounts& to, const Amounts& from) {
    for (const auto& [name, amount] : from)
        to[name] += amount;
}

void raise(Amounts& to, const Amounts& from) {
    for (const auto& [name, amount] : from) {
        auto& value = to[name];
        value = std::max(value, amount);
    }
}

Amounts containerRequests(const Json& container) {
    Amounts result = amountsOf(at(container, {"resources", "requests"}));
    for (const auto& [name, amount] : amountsOf(at(container, {"resources", "limits"})))
        result.emplace(name, amount);
    return result;
}

} // namespace

std::optional<std::int64_t> wholeAmount(const Json& quantity) {
    return scaled(quantity, 1);
}

Amounts amountsOf(const Json& resourceList) {
    Amounts result;
    if (resourceList.is_object())
        for (const auto& [name, quantity] : resourceList.items())
            if (const auto amount = scaled(quantity, name == "cpu" ? 1000 : 1))
                result[name] = *amount;
    return result;
}

std::string formatAmount(const std::string& resource, std::int64_t amount) {
    if (resource == "cpu" && amount % 1000 != 0)
        return std::to_string(amount) + "m";
    if (resource == "cpu")
        amount /= 1000;
    static constexpr const char* suffixes[] = {"", "k", "M", "G", "T", "P", "E"};
    std::size_t suffix = 0;
    for (; amount != 0 && amount % 1000 == 0 && suffix + 1 < std::size(suffixes); ++suffix)
        amount /= 1000;
    return std::to_string(amount) + suffixes[suffix];
}

Amounts podRequests(const Json& podSpec) {
    Amounts total, sidecars, peak;
    if (const auto containers = podSpec.find("containers"); containers != podSpec.end())
        for (const Json& container : *containers)
            add(total, containerRequests(container));
    if (const auto inits = podSpec.find("initContainers"); inits != podSpec.end())
        for (const Json& container : *inits) {
            Amounts own = containerRequests(container);
            if (container.value("restartPolicy", "") == "Always") {
                add(sidecars, own);
                raise(peak, sidecars);
            } else {
                add(own, sidecars);
                raise(peak, own);
            }
        }
    add(total, sidecars);
    raise(total, peak);
    if (const auto overhead = podSpec.find("overhead"); overhead != podSpec.end())
        add(total, amountsOf(*overhead));
    return total;
}

} // namespace rdmalab::cluster
