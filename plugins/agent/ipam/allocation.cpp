#include "plugins/agent/ipam/allocation.h"

#include <fmt/format.h>

namespace rdmalab::plugin::ipam {

std::vector<PoolRoute> routesOf(const Json& object) {
    std::vector<PoolRoute> routes;
    for (const Json& route : at(object, {"routes"}))
        routes.push_back({textAt(route, {"dst"}), textAt(route, {"gw"})});
    return routes;
}

std::vector<std::string> poolNames(const PoolIps& ips) {
    std::vector<std::string> names;
    for (const auto& [pool, list] : ips)
        names.push_back(pool);
    return names;
}

std::string print(const std::vector<IpAndUid>& ips) {
    std::vector<std::string> texts;
    for (const auto& entry : ips)
        texts.push_back(fmt::format("{{IP:{} UID:{}}}", entry.ip, entry.podUid));
    return goList(texts);
}

std::string print(const PoolIps& ips) {
    std::vector<std::string> texts;
    for (const auto& [pool, list] : ips)
        texts.push_back(pool + ":" + print(list));
    return "map" + goList(texts);
}

} // namespace rdmalab::plugin::ipam
