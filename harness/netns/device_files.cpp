#include "harness/netns/device_files.h"

#include "fakesysfs/tree.h"
#include "harness/sandbox/root_filesystem.h"
#include "sim/hardware/live_machine.h"
#include "util/syscall.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace rdmalab::harness {

using hardware::HardwareChange;

DeviceFiles::DeviceFiles(hardware::LiveMachine& machine, std::string dev) : live_(machine), dev_(std::move(dev)) {
    const auto access = live_.lock();
    update(*access, nullptr);
    subscription_ = access->observe([this, &known = *access](const hardware::HardwareEvent& event) {
        switch (event.change) {
        case HardwareChange::rdmaRemoved:
        case HardwareChange::functionRemoved:
            return update(known, event.nic);
        case HardwareChange::rdmaAdded:
        case HardwareChange::rdmaDevice:
        case HardwareChange::charDevice:
        case HardwareChange::driver:
        case HardwareChange::functionAdded:
            return update(known, nullptr);
        default:
            break;
        }
    });
}

DeviceFiles::~DeviceFiles() {
    const auto access = live_.lock();
    subscription_ = {};
}

void DeviceFiles::update(const hardware::Machine& machine, const hardware::Nic* leaving) {
    std::map<std::string, Facts> wanted;
    for (const auto& node : fakesysfs::deviceNodes(machine))
        wanted.emplace(node.path.substr(std::string("/dev").size()), Facts{node.major, node.minor, node.mode});
    if (leaving && leaving->rdma)
        for (const auto& device : leaving->rdma->charDevices)
            wanted.erase("/infiniband/" + device.name);
    for (const auto& [path, facts] : made_)
        if (const auto stays = wanted.find(path); stays == wanted.end() || stays->second != facts)
            if (::unlink((dev_ + path).c_str()) < 0 && errno != ENOENT)
                throw SystemError("unlink " + dev_ + path, errno);
    for (const auto& [path, facts] : wanted) {
        if (const auto there = made_.find(path); there != made_.end() && there->second == facts)
            continue;
        const auto [major, minor, mode] = facts;
        const std::string file = dev_ + path;
        makeDirectories(file.substr(0, file.rfind('/')));
        checked("mknod " + file, ::mknod(file.c_str(), S_IFCHR | mode, makedev(major, minor)));
        checked("chmod " + file, ::chmod(file.c_str(), mode)); // whatever the umask
    }
    made_ = std::move(wanted);
}

} // namespace rdmalab::harness
