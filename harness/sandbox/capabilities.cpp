#include "harness/sandbox/capabilities.h"

#include "util/syscall.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <map>
#include <stdexcept>

namespace rdmalab::harness {

namespace {
const std::map<std::string, int>& names() {
    static const std::map<std::string, int> table = {{"CHOWN", CAP_CHOWN},
                                                     {"DAC_OVERRIDE", CAP_DAC_OVERRIDE},
                                                     {"DAC_READ_SEARCH", CAP_DAC_READ_SEARCH},
                                                     {"FOWNER", CAP_FOWNER},
                                                     {"FSETID", CAP_FSETID},
                                                     {"KILL", CAP_KILL},
                                                     {"SETGID", CAP_SETGID},
                                                     {"SETUID", CAP_SETUID},
                                                     {"SETPCAP", CAP_SETPCAP},
                                                     {"NET_RAW", CAP_NET_RAW},
                                                     {"NET_ADMIN", CAP_NET_ADMIN},
                                                     {"NET_BIND_SERVICE", CAP_NET_BIND_SERVICE},
                                                     {"IPC_LOCK", CAP_IPC_LOCK},
                                                     {"IPC_OWNER", CAP_IPC_OWNER},
                                                     {"SYS_CHROOT", CAP_SYS_CHROOT},
                                                     {"SYS_PTRACE", CAP_SYS_PTRACE},
                                                     {"SYS_ADMIN", CAP_SYS_ADMIN},
                                                     {"SYS_RESOURCE", CAP_SYS_RESOURCE},
                                                     {"SYS_NICE", CAP_SYS_NICE},
                                                     {"SYS_RAWIO", CAP_SYS_RAWIO},
                                                     {"SYS_TIME", CAP_SYS_TIME},
                                                     {"SETFCAP", CAP_SETFCAP},
                                                     {"AUDIT_WRITE", CAP_AUDIT_WRITE},
                                                     {"MKNOD", CAP_MKNOD},
                                                     {"SYS_MODULE", CAP_SYS_MODULE},
                                                     {"BPF", CAP_BPF},
                                                     {"PERFMON", CAP_PERFMON},
                                                     {"SYSLOG", CAP_SYSLOG},
                                                     {"LEASE", CAP_LEASE},
                                                     {"NET_BROADCAST", CAP_NET_BROADCAST}};
    return table;
}
} // namespace

void dropToContainerCapabilities(const std::vector<std::string>& added) {
    std::uint64_t keep = 0;
    for (const char* name : {"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
                             "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"})
        keep |= 1ULL << names().at(name);
    for (std::string name : added) {
        if (name.rfind("CAP_", 0) == 0)
            name = name.substr(4);
        if (name == "ALL") {
            keep = ~0ULL;
            continue;
        }
        const auto found = names().find(name);
        if (found == names().end())
            throw std::runtime_error("unknown capability to add CAP_" + name);
        keep |= 1ULL << found->second;
    }
    for (int capability = 0; capability <= 63; ++capability) {
        if ((keep >> capability & 1) == 0 && ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL)
            throw SystemError("drop a capability from the bounding set", errno);
    }
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct current[2];
    checked("capget", ::syscall(SYS_capget, &header, current));
    for (int half = 0; half < 2; ++half) {
        const auto bits = static_cast<__u32>(keep >> (32 * half)) & current[half].permitted;
        current[half] = {bits, bits, bits};
    }
    checked("capset", ::syscall(SYS_capset, &header, current));
}

} // namespace rdmalab::harness
