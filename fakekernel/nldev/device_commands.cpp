// GET, SET, PORT_GET, links, character devices.
#include "fakekernel/nldev/commands.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace rdmalab::fakekernel::nldev {
namespace {

constexpr std::size_t deviceNameSize = 64, interfaceNameSize = 16, charDevTypeSize = 32; // with their NULs

bool nameTaken(const Request& request, const std::string& name, NetnsId netns, std::uint32_t butOf) {
    for (const Device& device : request.devices.all())
        if (device.name == name && device.index != butOf && (!request.profile.namesPerNetns || device.netns == netns))
            return true;
    return false;
}

int rename(Request& request, const Device& device, const std::string& name) {
    if (device.name == name)
        return 0;
    if (nameTaken(request, name, device.netns, device.index))
        return EEXIST;
    return request.devices.rename(device.index, name);
}

int refuse(Request& request, int error, std::string_view text) {
    if (request.profile.netnsTexts)
        request.ack->say(text);
    return error;
}

// `name`: also renames it, on kernels that take both together.
int moveToNetns(Request& request, const Device& device, std::uint32_t descriptor, const std::optional<std::string>& name) {
    const ResolvedNetns target = request.caller.resolveNetns ? request.caller.resolveNetns(descriptor) : ResolvedNetns{EBADF, 0};
    if (target.error)
        return refuse(request, target.error,
                      target.error == EPERM ? "Missing CAP_NET_ADMIN in the target net namespace"
                                            : "Invalid target net namespace fd");
    constexpr std::string_view taken = "Device name already exists in the target net namespace";
    if (request.profile.netnsTexts && target.netns == device.netns) {
        const int error = name ? rename(request, device, *name) : 0;
        return error == EEXIST ? refuse(request, error, taken) : error;
    }
    if (request.devices.mode() == hardware::RdmaNetnsMode::shared)
        return refuse(request, EOPNOTSUPP, "Cannot change net namespace of RDMA device in shared netns mode");
    if (device.softRoce && !request.profile.softRoceMoves)
        return refuse(request, EOPNOTSUPP, "Device does not support namespace changes (no disassociate support)");
    if (request.caller.threadNetns != device.netns)
        return ENODEV;
    const std::string& newName = name ? *name : device.name;
    if (request.profile.namesPerNetns && nameTaken(request, newName, target.netns, device.index))
        return refuse(request, EEXIST, taken);
    if (const int error = request.devices.move(device.index, target.netns))
        return error;
    const int error = newName == device.name ? 0 : request.devices.rename(device.index, newName);
    if (error) // all or nothing
        request.devices.move(device.index, device.netns);
    return error == EEXIST ? refuse(request, error, taken) : error;
}

// Strict, with a device: what the commands that change one have in common.
std::optional<Device> deviceToChange(Request& request, RequestAttributes& given) {
    if (request.parse(Strictness::strict, given))
        return std::nullopt;
    return request.device(given);
}

struct CharDevClient {
    const char* name;
    hardware::CharDeviceKind kind;
    std::uint64_t abi; // 0: the driver's
    bool perPort;
};
constexpr CharDevClient clients[] = {
    {"uverbs", hardware::CharDeviceKind::uverbs, 0, false},
    {"umad", hardware::CharDeviceKind::umad, 5, true},
    {"issm", hardware::CharDeviceKind::issm, 5, true},
};

// The kernel's huge encoding of a device number (include/linux/kdev_t.h): 20 bits of minor around 12 of major.
std::uint64_t encodeDevice(unsigned major, unsigned minor) {
    return (minor & 0xff) | std::uint64_t(major & 0xfff) << 8 | std::uint64_t(minor & ~0xffU) << 12;
}

void putCharDevice(Datagram& into, const hardware::CharDevice& device, std::uint64_t abi) {
    into.u64(attrCharDev, encodeDevice(device.major, device.minor));
    into.u64(attrCharDevAbi, abi);
    into.text(attrCharDevName, device.name);
}

} // namespace

int answerGet(Request& request, std::string& reply) {
    RequestAttributes given;
    if (request.parse(Strictness::liberal, given))
        return EINVAL;
    const std::optional<Device> device = request.device(given);
    if (!device)
        return EINVAL;
    std::size_t message = 0;
    Datagram datagram = request.answer(cmdGet, &message);
    putDevice(datagram, *device);
    return finish(datagram, message, reply);
}

// One device a datagram, as the kernel has it.
int dumpGet(DumpState& state, Datagram& into) {
    const std::vector<Device> devices = state.request.visibleDevices();
    if (state.position >= devices.size())
        return 0;
    const Header& header = state.request.header;
    const std::size_t message =
        into.begin(messageType(clientNldev, cmdGet), flagMulti, header.sequence, state.request.caller.portId);
    putDevice(into, devices[state.position]);
    into.end(message);
    ++state.position;
    return 1;
}

int answerPortGet(Request& request, std::string& reply) {
    RequestAttributes given;
    if (request.parse(Strictness::liberal, given) || !given.has(attrPortIndex))
        return EINVAL;
    const std::optional<Device> device = request.device(given);
    if (!device || !validPort(given.u32(attrPortIndex)))
        return EINVAL;
    std::size_t message = 0;
    Datagram datagram = request.answer(cmdGet, &message); // not PORT_GET
    putPort(datagram, *device, request.caller.socketNetns);
    return finish(datagram, message, reply);
}

int dumpPortGet(DumpState& state, Datagram& into) {
    RequestAttributes given;
    if (state.request.parse(Strictness::liberal, given))
        return -EINVAL;
    const std::optional<Device> device = state.request.device(given);
    if (!device)
        return -EINVAL;
    if (state.position > 0)
        return 0;
    const Header& header = state.request.header;
    const std::size_t message =
        into.begin(messageType(clientNldev, cmdPortGet), flagMulti, header.sequence, state.request.caller.portId);
    putPort(into, *device, state.request.caller.socketNetns);
    into.end(message);
    ++state.position;
    return 1;
}

int answerSet(Request& request, std::string&) {
    RequestAttributes given;
    const std::optional<Device> device = deviceToChange(request, given);
    if (!device)
        return EINVAL;
    std::optional<std::string> name;
    if (given.has(attrDevName)) {
        name = given.text(attrDevName, deviceNameSize);
        if (name->empty())
            return EINVAL;
    }
    const bool move = given.has(attrNetnsFd);
    if (move && (!name || request.profile.netnsTexts))
        return moveToNetns(request, *device, given.u32(attrNetnsFd), name);
    if (name)
        return rename(request, *device, *name);
    if (given.has(attrDevDim)) {
        const std::uint8_t on = given.u8(attrDevDim);
        return on > 1 ? EINVAL : request.devices.setAdaptiveModeration(device->index, on != 0);
    }
    return 0;
}

int answerNewLink(Request& request, std::string&) {
    RequestAttributes given;
    if (request.parse(Strictness::strict, given) || !given.has(attrDevName) || !given.has(attrLinkType) ||
        !given.has(attrNdevName))
        return EINVAL;
    const std::string name = given.text(attrDevName, deviceNameSize);
    if (name.empty() || name.find('%') != std::string::npos)
        return EINVAL;
    const std::string netdevName = given.text(attrNdevName, interfaceNameSize);
    const std::optional<VisibleNetdev> netdev =
        request.caller.findNetdev ? request.caller.findNetdev(netdevName) : std::optional<VisibleNetdev>();
    if (!netdev)
        return ENODEV;
    if (given.text(attrLinkType, interfaceNameSize) != "rxe")
        return EINVAL; // no module of that name
    // drivers/infiniband/sw/rxe/rxe.c
    if (netdev->vlan)
        return EPERM;
    for (const Device& device : request.devices.all())
        if (device.softRoce && device.netdev && device.netdev->ifindex == netdev->ifindex &&
            device.netdev->netns == request.caller.socketNetns)
            return EEXIST;
    // It belongs to the node, whoever made it.
    if (nameTaken(request, name, request.devices.nodeNetns(), UINT32_MAX))
        return ENFILE;
    return request.devices.addSoftRoce(name, {netdev->name, netdev->ifindex, request.caller.socketNetns});
}

int answerDelLink(Request& request, std::string&) {
    RequestAttributes given;
    const std::optional<Device> device = deviceToChange(request, given);
    if (!device || !device->softRoce)
        return EINVAL;
    return request.devices.remove(device->index);
}

// Sub-devices (SMI) exist on cards with several planes only.
int answerNewDev(Request& request, std::string&) {
    RequestAttributes given;
    const std::optional<Device> device = deviceToChange(request, given);
    return !device || !given.has(attrDevName) || !given.has(attrDevType) ? EINVAL : EOPNOTSUPP;
}

int answerDelDev(Request& request, std::string&) {
    RequestAttributes given;
    return deviceToChange(request, given) ? EOPNOTSUPP : EINVAL;
}

int answerGetCharDev(Request& request, std::string& reply) {
    RequestAttributes given;
    if (request.parse(Strictness::liberal, given) || !given.has(attrCharDevType))
        return EINVAL;
    const std::string type = given.text(attrCharDevType, charDevTypeSize);
    const bool port = given.has(attrPortIndex);
    const std::optional<Device> device = request.device(given);
    if (given.has(attrDevIndex) ? !device || (port && !validPort(given.u32(attrPortIndex))) : port)
        return EINVAL;

    std::size_t message = 0;
    Datagram datagram = request.answer(cmdGetCharDev, &message);
    if (!device) {
        const std::optional<hardware::CharDevice> rdmaCm = request.devices.rdmaCm();
        if (type != "rdma_cm" || !rdmaCm)
            return EOPNOTSUPP;
        putCharDevice(datagram, *rdmaCm, 4);
        return finish(datagram, message, reply);
    }
    const auto client =
        std::find_if(std::begin(clients), std::end(clients), [&](const CharDevClient& one) { return one.name == type; });
    if (client == std::end(clients))
        return EOPNOTSUPP;
    const auto found = std::find_if(device->charDevices.begin(), device->charDevices.end(),
                                    [&](const hardware::CharDevice& one) { return one.kind == client->kind; });
    if (found == device->charDevices.end())
        return EOPNOTSUPP;
    if (port != client->perPort)
        return EINVAL;
    if (client->kind == hardware::CharDeviceKind::uverbs)
        datagram.u32(attrUverbsDriverId, device->driverId);
    putCharDevice(datagram, *found, client->abi ? client->abi : device->uverbsAbi);
    return finish(datagram, message, reply);
}

// Pools of fast-registration handles: no device has any.
int dumpFrmrPools(DumpState& state, Datagram&) {
    RequestAttributes given;
    if (state.request.parse(Strictness::liberal, given) || !state.request.device(given))
        return -EINVAL;
    return 0;
}

int answerFrmrPoolsSet(Request& request, std::string&) {
    RequestAttributes given;
    if (!deviceToChange(request, given))
        return EINVAL;
    return given.has(attrFrmrPoolsAgingPeriod) || given.has(attrFrmrPoolPinnedHandles) ? EINVAL : 0;
}

} // namespace rdmalab::fakekernel::nldev
