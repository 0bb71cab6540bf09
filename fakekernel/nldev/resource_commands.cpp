// RES_GET (counts) and RES_*_GET (objects).
#include "fakekernel/nldev/commands.h"

#include <algorithm>
#include <cerrno>

namespace rdmalab::fakekernel::nldev {
namespace {

enum QueuePairType : std::uint8_t { qpReliable = 2, qpUnreliable = 3, qpXrcInitiator = 9, qpXrcTarget = 10 };
constexpr std::size_t socketAddressSize = 128;

struct KindNumbers {
    Attribute table, entry, id;
    bool perDevice; // else a single one is asked for with its port
};

const KindNumbers& numbersOf(ResourceKind kind) {
    static constexpr KindNumbers all[] = {
        {attrResPd, attrResPdEntry, attrResPdn, true},    {attrResCq, attrResCqEntry, attrResCqn, true},
        {attrResQp, attrResQpEntry, attrResLqpn, false},  {attrResCmId, attrResCmIdEntry, attrResCmIdn, false},
        {attrResMr, attrResMrEntry, attrResMrn, true},    {attrResCtx, attrResCtxEntry, attrResCtxn, true},
        {attrResSrq, attrResSrqEntry, attrResSrqn, true}, {attrStatCounter, attrStatCounterEntry, attrStatCounterId, false},
    };
    return all[static_cast<std::size_t>(kind)];
}

ResourceKind kindOf(unsigned operation) {
    switch (operation) {
    case cmdResQpGet:
    case cmdResQpGetRaw:
        return ResourceKind::qp;
    case cmdResCmIdGet:
        return ResourceKind::connection;
    case cmdResCqGet:
    case cmdResCqGetRaw:
        return ResourceKind::cq;
    case cmdResMrGet:
    case cmdResMrGetRaw:
        return ResourceKind::mr;
    case cmdResPdGet:
        return ResourceKind::pd;
    case cmdResCtxGet:
        return ResourceKind::context;
    default:
        return ResourceKind::srq;
    }
}

ResourceView viewOf(unsigned operation) {
    switch (operation) {
    case cmdResQpGetRaw:
    case cmdResCqGetRaw:
    case cmdResMrGetRaw:
    case cmdResSrqGetRaw:
        return ResourceView::raw;
    default:
        return ResourceView::normal;
    }
}

// Writes the attributes of one object. Each returns 0; or EAGAIN when it is of another port than asked for.
class EntryWriter {
public:
    EntryWriter(const Request& request, const DeviceResources& resources, Datagram& into, std::uint32_t port)
        : request_(request), resources_(resources), into_(into), port_(port) {}

    int write(const ProtectionDomain& pd) {
        if (request_.caller.netAdmin) {
            into_.u32(attrResLocalDmaLkey, pd.localDmaKey);
            if (pd.unsafeGlobalKey)
                into_.u32(attrResUnsafeGlobalRkey, *pd.unsafeGlobalKey);
        }
        into_.u64(attrResUsecnt, pd.users);
        into_.u32(attrResPdn, pd.id);
        if (!pd.kernel())
            into_.u32(attrResCtxn, pd.context);
        owner(pd);
        return 0;
    }

    int write(const CompletionQueue& cq) {
        into_.u32(attrResCqe, cq.entries);
        into_.u64(attrResUsecnt, cq.users);
        if (cq.kernel())
            into_.u8(attrResPollCtx, cq.pollContext);
        into_.u8(attrDevDim, cq.adaptiveModeration);
        into_.u32(attrResCqn, cq.id);
        if (!cq.kernel())
            into_.u32(attrResCtxn, cq.context);
        owner(cq);
        return 0;
    }

    int write(const QueuePair& qp) {
        if (port_ && port_ != qp.port)
            return EAGAIN;
        if (qp.port)
            into_.u32(attrPortIndex, qp.port);
        into_.u32(attrResLqpn, qp.number);
        if (!qp.kernel())
            into_.u32(attrResPdn, qp.pdn);
        owner(qp);
        const bool connected = qp.type == qpReliable || qp.type == qpUnreliable;
        if (connected) {
            into_.u32(attrResRqpn, qp.remoteNumber);
            into_.u32(attrResRqPsn, qp.receivePsn);
        }
        into_.u32(attrResSqPsn, qp.sendPsn);
        if (connected || qp.type == qpXrcInitiator || qp.type == qpXrcTarget)
            into_.u8(attrResPathMigState, qp.pathMigration);
        into_.u8(attrResType, qp.type);
        into_.u8(attrResState, qp.state);
        return 0;
    }

    int write(const ConnectionId& id) {
        if (port_ && port_ != id.port)
            return EAGAIN;
        if (id.port)
            into_.u32(attrPortIndex, id.port);
        if (id.qpNumber) {
            into_.u32(attrResLqpn, id.qpNumber);
            into_.u8(attrResType, id.qpType);
        }
        into_.u32(attrResPs, id.portSpace);
        into_.u8(attrResState, id.state);
        address(attrResSrcAddr, id.source);
        address(attrResDstAddr, id.destination);
        into_.u32(attrResCmIdn, id.id);
        owner(id);
        return 0;
    }

    int write(const MemoryRegion& mr) {
        if (request_.caller.netAdmin) {
            into_.u32(attrResRkey, mr.remoteKey);
            into_.u32(attrResLkey, mr.localKey);
        }
        into_.u64(attrResMrLen, mr.length);
        into_.u32(attrResMrn, mr.id);
        if (!mr.kernel())
            into_.u32(attrResPdn, mr.pdn);
        owner(mr);
        return 0;
    }

    int write(const Resource& context) {
        if (context.kernel())
            return 0;
        into_.u32(attrResCtxn, context.id);
        owner(context);
        return 0;
    }

    int write(const SharedReceiveQueue& srq) {
        into_.u32(attrResSrqn, srq.id);
        into_.u8(attrResType, srq.type);
        into_.u32(attrResPdn, srq.pdn);
        if (srq.cq)
            into_.u32(attrResCqn, *srq.cq);
        const std::size_t table = into_.beginNest(attrResQp, true);
        ranges(srq.id);
        into_.endNest(table);
        owner(srq);
        return 0;
    }

private:
    void owner(const Resource& resource) {
        if (resource.kernel()) {
            into_.text(attrResKernName, resource.kernelName);
            return;
        }
        const std::uint32_t pid = request_.caller.pidSeen ? request_.caller.pidSeen(resource.pid) : resource.pid;
        if (pid)
            into_.u32(attrResPid, pid);
    }

    void address(std::uint16_t attribute, std::string address) {
        if (address.empty())
            return;
        address.resize(socketAddressSize, '\0');
        into_.put(attribute, address);
    }

    // The QPs of a shared receive queue, neighbours drawn together.
    void ranges(std::uint32_t srq) {
        std::uint32_t first = 0, last = 0;
        const auto flush = [&] {
            if (!first)
                return;
            const std::size_t entry = into_.beginNest(attrResQpEntry, true);
            if (first == last) {
                into_.u32(attrResLqpn, first);
            } else {
                into_.u32(attrMinRange, first);
                into_.u32(attrMaxRange, last);
            }
            into_.endNest(entry);
        };
        for (const QueuePair& qp : resources_.qps) {
            if (qp.srq != srq)
                continue;
            if (!first || qp.number != last + 1) {
                flush();
                first = qp.number;
            }
            last = qp.number;
        }
        flush();
    }

    const Request& request_;
    const DeviceResources& resources_;
    Datagram& into_;
    std::uint32_t port_;
};

// Calls `visit` with each object of a kind until it says false.
template <typename Visit>
void forEach(const DeviceResources& resources, ResourceKind kind, Visit&& visit) {
    const auto walk = [&](const auto& objects) {
        for (const auto& object : objects)
            if (!visit(object))
                return;
    };
    switch (kind) {
    case ResourceKind::pd:
        return walk(resources.pds);
    case ResourceKind::cq:
        return walk(resources.cqs);
    case ResourceKind::qp:
        return walk(resources.qps);
    case ResourceKind::connection:
        return walk(resources.connections);
    case ResourceKind::mr:
        return walk(resources.mrs);
    case ResourceKind::context:
        return walk(resources.contexts);
    case ResourceKind::srq:
        return walk(resources.srqs);
    case ResourceKind::counter: // bound to single QPs: none
        return;
    }
}

template <typename Object>
int writeEntry(EntryWriter& writer, Datagram& into, const Object& object, ResourceView view) {
    if (view == ResourceView::raw)
        return EINVAL;                      // the drivers have no dumps of their firmware's objects
    if (view == ResourceView::statistics) { // of a memory region: nothing but the number
        into.u32(attrResMrn, object.id);
        return 0;
    }
    return writer.write(object);
}

std::uint64_t count(const DeviceResources& resources, ResourceKind kind, bool details) {
    std::uint64_t number = 0;
    forEach(resources, kind, [&](const Resource& object) {
        number += details || !object.driverDetail;
        return true;
    });
    return number;
}

void putSummary(const Request& request, Datagram& into, const Device& device, bool details) {
    const DeviceResources resources = request.resources.of(device.index);
    putHandle(into, device);
    const std::size_t table = into.beginNest(attrResSummary);
    const auto entry = [&](const char* name, std::uint64_t number, std::uint64_t most) {
        const std::size_t nest = into.beginNest(attrResSummaryEntry);
        into.text(attrResSummaryEntryName, name);
        into.u64(attrResSummaryEntryCurr, number);
        if (request.profile.resourceMaxima && most)
            into.u64(attrResSummaryEntryMax, most);
        into.endNest(nest);
    };
    const auto kind = [&](const char* name, ResourceKind which, std::uint64_t most) {
        entry(name, count(resources, which, details), most);
    };
    kind("pd", ResourceKind::pd, device.limits.pd);
    kind("cq", ResourceKind::cq, device.limits.cq);
    kind("qp", ResourceKind::qp, device.limits.qp);
    kind("cm_id", ResourceKind::connection, 0);
    kind("mr", ResourceKind::mr, device.limits.mr);
    kind("ctx", ResourceKind::context, 0);
    kind("srq", ResourceKind::srq, device.limits.srq);
    if (request.profile.resourceMaxima)
        entry("comp_cntr", 0, 0);
    into.endNest(table);
}

bool wantsDetails(const RequestAttributes& given) {
    return given.has(attrDriverDetails) && given.u8(attrDriverDetails);
}

} // namespace

int answerResGet(Request& request, std::string& reply) {
    RequestAttributes given;
    if (request.parse(Strictness::liberal, given))
        return EINVAL;
    const std::optional<Device> device = request.device(given);
    if (!device)
        return EINVAL;
    std::size_t message = 0;
    Datagram datagram = request.answer(cmdResGet, &message);
    putSummary(request, datagram, *device, wantsDetails(given));
    return finish(datagram, message, reply);
}

int dumpResGet(DumpState& state, Datagram& into) {
    const std::vector<Device> devices = state.request.visibleDevices();
    if (state.position >= devices.size())
        return 0;
    const Header& header = state.request.header;
    const std::size_t message =
        into.begin(messageType(clientNldev, cmdResGet), flagMulti, header.sequence, state.request.caller.portId);
    putSummary(state.request, into, devices[state.position], false);
    into.end(message);
    ++state.position;
    return 1;
}

int answerResource(Request& request, std::string& reply) {
    const unsigned operation = request.header.operation();
    return answerResourceOf(request, kindOf(operation), viewOf(operation), reply);
}

int dumpResource(DumpState& state, Datagram& into) {
    const unsigned operation = state.request.header.operation();
    return dumpResourceOf(state, kindOf(operation), viewOf(operation), into);
}

int answerResourceOf(Request& request, ResourceKind kind, ResourceView view, std::string& reply) {
    const KindNumbers& numbers = numbersOf(kind);
    RequestAttributes given;
    if (request.parse(Strictness::liberal, given) || !given.has(numbers.id))
        return EINVAL;
    const std::optional<Device> device = request.device(given);
    if (!device)
        return EINVAL;
    std::uint32_t port = 0;
    if (given.has(attrPortIndex)) {
        port = given.u32(attrPortIndex);
        if (!validPort(port))
            return EINVAL;
    }
    if ((port != 0) == numbers.perDevice)
        return EINVAL;

    std::size_t message = 0;
    Datagram datagram = request.answer(request.header.operation(), &message);
    const DeviceResources resources = request.resources.of(device->index);
    EntryWriter writer(request, resources, datagram, port);
    const std::uint32_t id = given.u32(numbers.id);
    int error = ENOENT;
    forEach(resources, kind, [&](const auto& object) {
        if (object.id != id)
            return true;
        putHandle(datagram, *device);
        error = writeEntry(writer, datagram, object, view);
        return false;
    });
    return error ? error : finish(datagram, message, reply);
}

int dumpResourceOf(DumpState& state, ResourceKind kind, ResourceView view, Datagram& into) {
    const KindNumbers& numbers = numbersOf(kind);
    const Request& request = state.request;
    RequestAttributes given;
    if (request.parse(Strictness::liberal, given))
        return -EINVAL;
    const std::optional<Device> device = request.device(given);
    if (!device)
        return -EINVAL;
    std::uint32_t port = 0;
    if (given.has(attrPortIndex)) {
        port = given.u32(attrPortIndex);
        if (!validPort(port))
            return -EINVAL;
    }
    const std::size_t message = into.begin(messageType(clientNldev, request.header.operation()), flagMulti,
                                           request.header.sequence, request.caller.portId);
    putHandle(into, *device);
    const std::size_t table = into.beginNest(numbers.table);
    const DeviceResources resources = request.resources.of(device->index);
    EntryWriter writer(request, resources, into, port);
    const bool details = wantsDetails(given);
    bool considered = false;
    int error = 0;
    std::size_t position = 0;
    forEach(resources, kind, [&](const auto& object) {
        if ((object.driverDetail && !details) || position < state.position) {
            ++position;
            return true;
        }
        considered = true;
        const std::size_t entry = into.beginNest(numbers.entry);
        const int result = writeEntry(writer, into, object, view);
        if (result || into.full()) {
            const bool tooBig = into.full();
            into.cutTo(entry);
            if (tooBig)
                return false; // the rest goes into the next datagram
            if (result != EAGAIN) {
                error = result;
                return false;
            }
        } else {
            into.endNest(entry);
        }
        ++position;
        return true;
    });
    if (error || !considered)
        return -error;
    into.endNest(table);
    into.end(message);
    state.position = position;
    return 1;
}

} // namespace rdmalab::fakekernel::nldev
