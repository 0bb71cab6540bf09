#include "fakekernel/nldev/commands.h"

#include <cerrno>

namespace rdmalab::fakekernel::nldev {
namespace {

enum CounterMode : std::uint32_t { counterNone = 0, counterAuto = 1 };
constexpr std::uint32_t counterAllMasks = 3; // QP type, pid

// DEV_INDEX and PORT_INDEX of a command that needs both.
std::optional<Device> deviceAndPort(const Request& request, const RequestAttributes& given) {
    if (!given.has(attrPortIndex) || !validPort(given.u32(attrPortIndex)))
        return std::nullopt;
    return request.device(given);
}

bool hasQueuePair(const Request& request, const Device& device, std::uint32_t number) {
    for (const QueuePair& qp : request.resources.of(device.index).qps)
        if (qp.id == number)
            return true;
    return false;
}

void putPortHandle(Datagram& into, const Device& device) {
    putHandle(into, device);
    into.u32(attrPortIndex, 1);
}

int defaultCounters(Request& request, const RequestAttributes& given, std::string& reply) {
    const std::optional<Device> device = deviceAndPort(request, given);
    if (!device || device->counters.empty())
        return EINVAL;
    std::size_t message = 0;
    Datagram datagram = request.answer(cmdStatGet, &message);
    putPortHandle(datagram, *device);
    const std::size_t table = datagram.beginNest(attrStatHwCounters, true);
    for (std::size_t i = 0; i < device->counters.size(); ++i) {
        const std::size_t entry = datagram.beginNest(attrStatHwCounterEntry, true);
        datagram.text(attrStatHwCounterEntryName, device->counters[i]);
        datagram.u64(attrStatHwCounterEntryValue, request.resources.counter(device->index, i));
        datagram.endNest(entry);
    }
    datagram.endNest(table);
    return finish(datagram, message, reply);
}

// Counters of QPs: the mode of the port, or one counter, of which there are none.
int queuePairCounters(Request& request, const RequestAttributes& given, std::string& reply) {
    if (given.has(attrStatCounterId))
        return answerResourceOf(request, ResourceKind::counter, ResourceView::normal, reply);
    if (!given.has(attrStatMode))
        return EINVAL;
    const std::optional<Device> device = deviceAndPort(request, given);
    if (!device)
        return EINVAL;
    std::size_t message = 0;
    Datagram datagram = request.answer(cmdStatGet, &message);
    putPortHandle(datagram, *device);
    datagram.u32(attrStatMode, device->counterMode);
    if (device->counterMode == counterAuto)
        datagram.u32(attrStatAutoModeMask, device->counterMask);
    return finish(datagram, message, reply);
}

int setCounterMode(Request& request, const RequestAttributes& given, const Device& device) {
    if (!given.has(attrStatRes) || given.u32(attrStatRes) != attrResQp)
        return EINVAL;
    if (given.u32(attrStatMode) == counterAuto) {
        const std::uint32_t mask = given.has(attrStatAutoModeMask) ? given.u32(attrStatAutoModeMask) : 0;
        if (device.counters.empty())
            return EOPNOTSUPP;
        if (mask & ~counterAllMasks)
            return EINVAL;
        return request.devices.setCounterMode(device.index, mask ? counterAuto : counterNone, mask);
    }
    if (!given.has(attrResLqpn))
        return EINVAL;
    if (!given.has(attrStatCounterId) && device.counters.empty())
        return EOPNOTSUPP;
    if (device.counterMode == counterAuto)
        return EINVAL;
    if (!hasQueuePair(request, device, given.u32(attrResLqpn)))
        return ENOENT;
    // No driver here can count single QPs.
    return given.has(attrStatCounterId) ? ENOENT : ENOMEM;
}

} // namespace

int answerStatGet(Request& request, std::string& reply) {
    RequestAttributes given;
    if (request.parse(Strictness::liberal, given))
        return EINVAL;
    if (!given.has(attrStatRes))
        return defaultCounters(request, given, reply);
    switch (given.u32(attrStatRes)) {
    case attrResQp:
        return queuePairCounters(request, given, reply);
    case attrResMr:
        return answerResourceOf(request, ResourceKind::mr, ResourceView::statistics, reply);
    default:
        return EINVAL;
    }
}

int dumpStatGet(DumpState& state, Datagram& into) {
    RequestAttributes given;
    if (state.request.parse(Strictness::liberal, given) || !given.has(attrStatRes))
        return -EINVAL;
    switch (given.u32(attrStatRes)) {
    case attrResQp:
        return dumpResourceOf(state, ResourceKind::counter, ResourceView::normal, into);
    case attrResMr:
        return dumpResourceOf(state, ResourceKind::mr, ResourceView::statistics, into);
    default:
        return -EINVAL;
    }
}

int answerStatSet(Request& request, std::string& reply) {
    RequestAttributes given;
    if (request.parse(Strictness::strict, given))
        return EINVAL;
    const std::optional<Device> device = deviceAndPort(request, given);
    if (!device || (!given.has(attrStatMode) && !given.has(attrStatHwCounters)))
        return EINVAL;
    std::size_t message = 0;
    Datagram datagram = request.answer(cmdStatSet, &message);
    putPortHandle(datagram, *device);
    if (given.has(attrStatMode))
        if (const int error = setCounterMode(request, given, *device))
            return error;
    if (given.has(attrStatHwCounters)) {
        // Chooses among optional counters: only the empty choice is possible where there are none.
        if (device->counters.empty() || given.bytes(attrStatHwCounters).size() >= attributeHeaderSize)
            return EINVAL;
    }
    return finish(datagram, message, reply);
}

int answerStatDel(Request& request, std::string&) {
    RequestAttributes given;
    if (request.parse(Strictness::strict, given) || !given.has(attrStatRes) || !given.has(attrStatCounterId) ||
        !given.has(attrResLqpn) || given.u32(attrStatRes) != attrResQp)
        return EINVAL;
    const std::optional<Device> device = deviceAndPort(request, given);
    if (!device)
        return EINVAL;
    return hasQueuePair(request, *device, given.u32(attrResLqpn)) ? EINVAL : ENOENT;
}

int answerStatGetStatus(Request& request, std::string& reply) {
    RequestAttributes given;
    if (request.parse(Strictness::liberal, given))
        return EINVAL;
    const std::optional<Device> device = deviceAndPort(request, given);
    if (!device || device->counters.empty())
        return EINVAL;
    std::size_t message = 0;
    Datagram datagram = request.answer(cmdStatGetStatus, &message);
    putPortHandle(datagram, *device);
    const std::size_t table = datagram.beginNest(attrStatHwCounters, true);
    for (std::size_t i = 0; i < device->counters.size(); ++i) {
        const std::size_t entry = datagram.beginNest(attrStatHwCounterEntry, true);
        datagram.text(attrStatHwCounterEntryName, device->counters[i]);
        datagram.u32(attrStatHwCounterIndex, static_cast<std::uint32_t>(i));
        datagram.endNest(entry);
    }
    datagram.endNest(table);
    return finish(datagram, message, reply);
}

} // namespace rdmalab::fakekernel::nldev
