// What the files of the commands share.
#pragma once

#include "fakekernel/nldev/caller.h"
#include "fakekernel/nldev/devices.h"
#include "fakekernel/nldev/kernel_profile.h"
#include "fakekernel/nldev/message.h"
#include "fakekernel/nldev/policy.h"
#include "fakekernel/nldev/resources.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::fakekernel::nldev {

// A buffer of one page without what the kernel keeps at its end (NLMSG_GOODSIZE, x86-64): the size of every answer to a single
// question and the least of a datagram of a dump.
inline constexpr std::size_t goodSize = 3776;

struct Header {
    std::uint32_t length = 0, sequence = 0, portId = 0;
    std::uint16_t type = 0, flags = 0;
    unsigned client() const noexcept { return type >> 10 & 0x3f; }
    unsigned operation() const noexcept { return type & 0x3ff; }
};

// One message being answered.
struct Request {
    Devices& devices;
    const RdmaResources& resources;
    const KernelProfile& profile;
    const Caller& caller;
    Header header;
    std::string_view attributes; // the message behind its header
    ExtendedAck* ack = nullptr;  // null during dumps

    // 0 or an errno.
    int parse(Strictness strictness, RequestAttributes& into) const;
    // What the sender may see: all in shared mode, those of its socket's namespace in exclusive mode.
    std::vector<Device> visibleDevices() const;
    // DEV_INDEX; none when it is missing, unknown or out of sight.
    std::optional<Device> device(const RequestAttributes& attributes) const;

    Datagram answer(unsigned operation, std::size_t* message) const;
};

// A dump in progress. `position` counts what has been told.
struct DumpState {
    Request request;
    std::size_t position = 0;
};

// Answers to a question: 0, and then `reply` holds the message if there is one; or an errno.
using Answer = int (*)(Request& request, std::string& reply);
// Fills `into`. Positive: there may be more; else the end, with 0 or -errno.
using Dump = int (*)(DumpState& state, Datagram& into);

struct CommandEntry {
    Answer answer = nullptr;
    Dump dump = nullptr;
    bool adminOnly = false;
};
// Null for an operation that the kernel does not have.
const CommandEntry* commandEntry(unsigned client, unsigned operation, const KernelProfile& profile);

bool validPort(std::uint32_t port); // every device has port 1
void putHandle(Datagram& into, const Device& device);
void putDevice(Datagram& into, const Device& device);
void putPort(Datagram& into, const Device& device, NetnsId viewer);
// The message, or EMSGSIZE.
int finish(Datagram& datagram, std::size_t message, std::string& reply);

// device_commands.cpp
int answerGet(Request& request, std::string& reply);
int dumpGet(DumpState& state, Datagram& into);
int answerPortGet(Request& request, std::string& reply);
int dumpPortGet(DumpState& state, Datagram& into);
int answerSet(Request& request, std::string& reply);
int answerNewLink(Request& request, std::string& reply);
int answerDelLink(Request& request, std::string& reply);
int answerNewDev(Request& request, std::string& reply);
int answerDelDev(Request& request, std::string& reply);
int answerGetCharDev(Request& request, std::string& reply);
int dumpFrmrPools(DumpState& state, Datagram& into);
int answerFrmrPoolsSet(Request& request, std::string& reply);
// system_commands.cpp
int answerSysGet(Request& request, std::string& reply);
int answerSysSet(Request& request, std::string& reply);
// resource_commands.cpp
int answerResGet(Request& request, std::string& reply);
int dumpResGet(DumpState& state, Datagram& into);
int answerResource(Request& request, std::string& reply);
int dumpResource(DumpState& state, Datagram& into);
enum class ResourceKind { pd, cq, qp, connection, mr, context, srq, counter };
enum class ResourceView { normal, raw, statistics };
int answerResourceOf(Request& request, ResourceKind kind, ResourceView view, std::string& reply);
int dumpResourceOf(DumpState& state, ResourceKind kind, ResourceView view, Datagram& into);
// statistic_commands.cpp
int answerStatGet(Request& request, std::string& reply);
int dumpStatGet(DumpState& state, Datagram& into);
int answerStatSet(Request& request, std::string& reply);
int answerStatDel(Request& request, std::string& reply);
int answerStatGetStatus(Request& request, std::string& reply);

} // namespace rdmalab::fakekernel::nldev
