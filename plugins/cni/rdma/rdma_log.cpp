#include "plugins/cni/rdma/rdma_log.h"

#include "plugins/cni/protocol/skeleton.h"

#include <ctime>
#include <fmt/format.h>

namespace rdmalab::plugin::rdma {

void Log::write(const char* level, const std::string& message) const {
    if (request_.errors == nullptr)
        return;
    const std::time_t now = std::chrono::system_clock::to_time_t(timeNow(request_.services));
    std::tm parts{};
    gmtime_r(&now, &parts);
    *request_.errors += fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z {} {}\n", parts.tm_year + 1900, parts.tm_mon + 1,
                                    parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, level, message);
}

} // namespace rdmalab::plugin::rdma
