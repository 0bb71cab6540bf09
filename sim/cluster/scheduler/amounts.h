// Amounts of resources as integers: cpu in thousandths, everything else in whole units.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace rdmalab::cluster {

using Amounts = std::map<std::string, std::int64_t>;

// A quantity ("2", 2, "1k", "500m") in whole units, rounded up; nullopt when it is none.
std::optional<std::int64_t> wholeAmount(const nlohmann::json& quantity);
// Of a ResourceList; entries that are no quantities are left out.
Amounts amountsOf(const nlohmann::json& resourceList);
// The canonical form of an amount: 1000 prints as "1k", 500 thousandths of a cpu as "500m".
std::string formatAmount(const std::string& resource, std::int64_t amount);

// max(app containers + sidecars, each init container + the sidecars before it) + overhead. A limit without a request is one.
Amounts podRequests(const nlohmann::json& podSpec);

} // namespace rdmalab::cluster
