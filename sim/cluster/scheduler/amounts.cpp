#include "sim/cluster/scheduler/amounts.h"

#include "sim/cluster/object_meta.h"
#include "sim/cluster/quantity.h"

#include <algorithm>

namespace rdmalab::cluster {

namespace {

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
    const auto parsed = Quantity::of(quantity);
    return parsed ? std::optional(parsed->whole()) : std::nullopt;
}

Amounts amountsOf(const Json& resourceList) {
    Amounts result;
    if (resourceList.is_object())
        for (const auto& [name, quantity] : resourceList.items())
            if (const auto parsed = Quantity::of(quantity))
                result[name] = name == "cpu" ? parsed->milli() : parsed->whole();
    return result;
}

std::string formatAmount(const std::string& resource, std::int64_t amount) {
    const auto quantity = Quantity::parse(std::to_string(amount) + (resource == "cpu" ? "m" : ""));
    return quantity ? quantity->str() : std::to_string(amount);
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
