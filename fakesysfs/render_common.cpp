#include "fakesysfs/paths.h"
#include "fakesysfs/render.h"
#include "sim/hardware/cpu_list.h"

#include <cerrno>
#include <set>

namespace rdmalab::fakesysfs {

void addPower(Directory& directory) {
    directory.lazy("power", [](Directory& power) {
        power.text("async", "disabled", 0644);
        power.unreadable("autosuspend_delay_ms", EIO, 0644);
        power.text("control", "auto", 0644);
        power.text("runtime_active_kids", "0");
        power.text("runtime_active_time", "0");
        power.text("runtime_enabled", "disabled");
        power.text("runtime_status", "unsupported");
        power.text("runtime_suspended_time", "0");
        power.text("runtime_usage", "0");
    });
}

void addLink(Directory& directory, const std::string& path, const std::string& name, const std::string& target) {
    directory.link(name, linkTarget(path, target));
}

std::vector<unsigned> allCpus(const hardware::Machine& machine) {
    std::set<unsigned> cpus;
    for (const hardware::NumaSpec& node : machine.numaNodes())
        for (const unsigned cpu : hardware::parseCpuList(node.cpus).value_or(std::vector<unsigned>()))
            cpus.insert(cpu);
    if (cpus.empty())
        cpus = {0, 1, 2, 3, 4, 5, 6, 7};
    return {cpus.begin(), cpus.end()};
}

} // namespace rdmalab::fakesysfs
