#include "sim/hardware/char_device_numbers.h"

#include <algorithm>
#include <array>

namespace rdmalab::hardware {
namespace {

constexpr unsigned infinibandMajor = 231, most = 1024; // IB_UVERBS_MAX_DEVICES, IB_UMAD_MAX_PORTS
struct Range {
    const char* name;
    unsigned base, fixed, dynamicMajor, mode;
};
constexpr Range verbs = {"uverbs", 192, 32, 509, 0666};
constexpr Range mads = {"umad", 0, 64, 508, 0600};
constexpr Range managers = {"issm", 64, 64, 507, 0600};

const Range& rangeOf(CharDeviceKind kind) {
    return kind == CharDeviceKind::uverbs ? verbs : kind == CharDeviceKind::umad ? mads : managers;
}

unsigned numberOf(const CharDevice& device) {
    const Range& range = rangeOf(device.kind);
    return device.major == infinibandMajor ? device.minor - range.base : device.minor + range.fixed;
}

CharDevice make(CharDeviceKind kind, unsigned number) {
    const Range& range = rangeOf(kind);
    CharDevice device;
    device.kind = kind;
    device.name = range.name + std::to_string(number);
    device.major = number < range.fixed ? infinibandMajor : range.dynamicMajor;
    device.minor = number < range.fixed ? range.base + number : number - range.fixed;
    device.mode = range.mode;
    return device;
}

} // namespace

std::vector<CharDevice> numberCharDevices(const std::vector<CharDeviceKind>& wanted,
                                          const std::vector<std::unique_ptr<Nic>>& nics, const std::vector<CharDevice>& hidden) {
    std::array<bool, most> verbsUsed{}, madsUsed{};
    const auto use = [&](const CharDevice& device) {
        (device.kind == CharDeviceKind::uverbs ? verbsUsed : madsUsed).at(numberOf(device)) = true;
    };
    for (const auto& nic : nics)
        if (nic->rdma)
            std::for_each(nic->rdma->charDevices.begin(), nic->rdma->charDevices.end(), use);
    std::for_each(hidden.begin(), hidden.end(), use);
    const auto lowest = [](const auto& used) {
        return static_cast<unsigned>(std::find(used.begin(), used.end(), false) - used.begin());
    };
    const unsigned verbsNumber = lowest(verbsUsed), madsNumber = lowest(madsUsed);
    std::vector<CharDevice> made;
    for (const CharDeviceKind kind : wanted)
        if (const unsigned number = kind == CharDeviceKind::uverbs ? verbsNumber : madsNumber;
            kind != CharDeviceKind::rdmaCm && number < most)
            made.push_back(make(kind, number));
    return made;
}

} // namespace rdmalab::hardware
