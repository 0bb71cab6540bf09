#include "fakekernel/nldev/commands.h"

#include <cerrno>

namespace rdmalab::fakekernel::nldev {

int answerSysGet(Request& request, std::string& reply) {
    RequestAttributes given;
    if (const int error = request.parse(Strictness::liberal, given))
        return error;
    std::size_t message = 0;
    Datagram datagram = request.answer(cmdSysGet, &message);
    datagram.u8(attrNetnsMode, request.devices.mode() == hardware::RdmaNetnsMode::shared);
    datagram.u8(attrPrivilegedQkeyMode, request.devices.privilegedQkey());
    datagram.u8(attrMonitorMode, 1);
    if (request.devices.copyOnFork())
        datagram.u8(attrCopyOnFork, 1);
    return finish(datagram, message, reply);
}

int answerSysSet(Request& request, std::string&) {
    RequestAttributes given;
    if (request.parse(Strictness::strict, given))
        return EINVAL;
    if (given.has(attrNetnsMode)) {
        const std::uint8_t wanted = given.u8(attrNetnsMode);
        if (wanted > 1)
            return EINVAL;
        const auto mode = wanted ? hardware::RdmaNetnsMode::shared : hardware::RdmaNetnsMode::exclusive;
        if (mode == request.devices.mode())
            return 0;
        if (request.caller.otherNamespaces && request.caller.otherNamespaces())
            return EBUSY;
        return request.devices.setMode(mode);
    }
    if (given.has(attrPrivilegedQkeyMode)) {
        const std::uint8_t on = given.u8(attrPrivilegedQkeyMode);
        return on > 1 ? EINVAL : request.devices.setPrivilegedQkey(on != 0);
    }
    return EINVAL;
}

} // namespace rdmalab::fakekernel::nldev
