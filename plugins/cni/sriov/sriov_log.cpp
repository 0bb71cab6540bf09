#include "plugins/cni/sriov/sriov_log.h"

#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/skeleton.h"
#include "plugins/kernel/files.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <fmt/format.h>

namespace rdmalab::plugin::sriov {

namespace {

constexpr int kInfo = 4;

int levelNumber(std::string word) {
    std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
    static constexpr std::array<const char*, 6> names{"", "panic", "error", "warning", "info", "debug"};
    const auto found = std::find(names.begin() + 1, names.end(), word);
    return found == names.end() ? kInfo : static_cast<int>(found - names.begin());
}

// RFC 3339 with nanoseconds, in UTC.
std::string timestamp(std::chrono::system_clock::time_point now) {
    const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
    const std::time_t seconds = static_cast<std::time_t>(nanoseconds / 1'000'000'000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                       parts.tm_hour, parts.tm_min, parts.tm_sec, nanoseconds % 1'000'000'000);
}

} // namespace

Log::Log(const CniRequest& request, const std::string& level, const std::string& file)
    : request_(request), level_(levelNumber(level)), file_(file) {}

void Log::write(int level, const char* name, const std::string& message, const Fields& fields) const {
    if (level > level_)
        return;
    Fields all{{"time", timestamp(timeNow(request_.services))}, {"level", name}, {"msg", message}, {"cniName", "sriov-cni"}};
    for (const auto& [key, value] : {std::pair("containerID", &request_.containerId), std::pair("netns", &request_.netns),
                                     std::pair("ifname", &request_.ifName)})
        if (!value->empty())
            all.emplace_back(key, *value);
    all.insert(all.end(), fields.begin(), fields.end());
    std::string line;
    for (const auto& [key, value] : all)
        line += (line.empty() ? "" : " ") + key + "=" + goQuote(value);
    line += '\n';
    if (file_.empty()) {
        if (request_.errors != nullptr)
            *request_.errors += line;
        return;
    }
    try {
        request_.services.files.append(file_, line, 0644);
    } catch (const std::exception&) { // a log that cannot be written stops no pod
    }
}

} // namespace rdmalab::plugin::sriov
