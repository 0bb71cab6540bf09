#include "fakekernel/nldev/nldev.h"

#include "fakekernel/nldev/commands.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace rdmalab::fakekernel::nldev {
namespace {

template <typename Integer>
Integer read(std::string_view bytes, std::size_t at) {
    Integer value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

Header readHeader(std::string_view bytes) {
    Header header;
    header.length = read<std::uint32_t>(bytes, 0);
    header.type = read<std::uint16_t>(bytes, 4);
    header.flags = read<std::uint16_t>(bytes, 6);
    header.sequence = read<std::uint32_t>(bytes, 8);
    header.portId = read<std::uint32_t>(bytes, 12);
    return header;
}

// Attributes of a policy in an error message (linux/netlink.h, NL_POLICY_TYPE_ATTR_* and NL_ATTR_TYPE_*).
enum PolicyAttribute : std::uint16_t {
    policyType = 1,
    policyMinSigned = 2,
    policyMaxSigned = 3,
    policyMinUnsigned = 4,
    policyMaxUnsigned = 5,
    policyMaxLength = 7,
};
enum PolicyType : std::uint32_t {
    policyU8 = 2,
    policyU32 = 4,
    policyU64 = 5,
    policyS32 = 8,
    policyS64 = 9,
    policyBinary = 10,
    policyNulString = 12,
    policyNested = 13,
};
enum ErrorAttribute : std::uint16_t { errorText = 1, errorOffset = 2, errorPolicy = 4 };

void putPolicy(Datagram& into, const AttributePolicy& policy) {
    const std::size_t nest = into.beginNest(errorPolicy, true);
    const auto unsignedRange = [&](std::uint64_t most, std::uint32_t type) {
        into.u64(policyMinUnsigned, 0);
        into.u64(policyMaxUnsigned, most);
        into.u32(policyType, type);
    };
    const auto signedRange = [&](std::int64_t least, std::int64_t most, std::uint32_t type) {
        into.u64(policyMinSigned, static_cast<std::uint64_t>(least));
        into.u64(policyMaxSigned, static_cast<std::uint64_t>(most));
        into.u32(policyType, type);
    };
    switch (policy.kind) {
    case AttributeKind::u8:
        unsignedRange(UINT8_MAX, policyU8);
        break;
    case AttributeKind::u32:
        unsignedRange(UINT32_MAX, policyU32);
        break;
    case AttributeKind::u64:
        unsignedRange(UINT64_MAX, policyU64);
        break;
    case AttributeKind::s32:
        signedRange(INT32_MIN, INT32_MAX, policyS32);
        break;
    case AttributeKind::s64:
        signedRange(INT64_MIN, INT64_MAX, policyS64);
        break;
    case AttributeKind::nulString:
    case AttributeKind::binary:
        if (policy.length)
            into.u32(policyMaxLength, policy.length);
        into.u32(policyType, policy.kind == AttributeKind::binary ? policyBinary : policyNulString);
        break;
    case AttributeKind::nested:
        into.u32(policyType, policyNested);
        break;
    case AttributeKind::unspecified: // has no description
        into.cutTo(nest);
        return;
    }
    into.endNest(nest);
}

// One datagram of a client.
class Conversation {
public:
    Conversation(Devices& devices, const RdmaResources& resources, const KernelProfile& profile, const Caller& caller)
        : devices_(devices), resources_(resources), profile_(profile), caller_(caller) {}

    std::vector<std::string> run(std::string_view bytes) {
        while (bytes.size() >= headerSize) {
            const Header header = readHeader(bytes);
            if (header.length < headerSize || header.length > bytes.size())
                break;
            message(header, bytes.substr(0, header.length));
            bytes.remove_prefix(std::min(aligned(header.length), bytes.size()));
            ++messages_;
        }
        while (dump_)
            continueDump();
        return std::move(replies_);
    }

private:
    void message(const Header& header, std::string_view bytes) {
        int error = 0;
        bool answered = false; // a dump that has begun says everything itself
        // Answers to the kernel's own questions, of the local service, are no requests.
        const bool request = header.flags & flagRequest || header.client() == clientLocalService;
        if (request && header.type >= firstRealType)
            error = command(header, bytes, answered);
        if (!answered && (header.flags & flagAck || error))
            acknowledge(header, bytes, error);
    }

    int command(const Header& header, std::string_view bytes, bool& answered) {
        const CommandEntry* entry = commandEntry(header.client(), header.operation(), profile_);
        if (!entry || (header.client() != clientNldev && caller_.socketNetns != devices_.nodeNetns()))
            return EINVAL;
        if (entry->adminOnly && !caller_.netAdmin)
            return EPERM;
        ack_.message = messages_;
        Request request{devices_, resources_, profile_, caller_, header, bytes.substr(headerSize), &ack_};
        if (header.client() == clientLocalService) {
            std::string none;
            return entry->answer(request, none);
        }
        if (header.flags & flagDump || header.client() == clientIwarp) {
            if (!entry->dump)
                return EINVAL;
            if (dump_)
                return EBUSY;
            answered = true;
            request.ack = nullptr;
            dump_.emplace(DumpState{request});
            dumper_ = entry->dump;
            continueDump();
            return 0;
        }
        if (!entry->answer)
            return EINVAL;
        std::string reply;
        const int error = entry->answer(request, reply);
        if (!error && !reply.empty())
            replies_.push_back(std::move(reply));
        return error;
    }

    // One more datagram.
    void continueDump() {
        const std::size_t offered = !told_ ? caller_.largestReceive : std::max(caller_.largestReceive, caller_.nextReceive);
        // The kernel never makes more than 32 KiB at a time.
        Datagram datagram(std::clamp<std::size_t>(offered, goodSize, 32768 - 320));
        const std::size_t before = dump_->position;
        int result = dumper_(*dump_, datagram);
        // Something that does not fit into a datagram of its own would be tried for ever.
        if (result > 0 && told_ && before == dump_->position)
            result = -EMSGSIZE;
        told_ = true;
        if (result <= 0) {
            const Header& header = dump_->request.header;
            datagram.cutTo(0);
            const std::size_t done = datagram.begin(typeDone, flagMulti, header.sequence, caller_.portId);
            const auto status = static_cast<std::int32_t>(result);
            datagram.raw({reinterpret_cast<const char*>(&status), sizeof status});
            datagram.end(done);
            dump_.reset();
            told_ = false;
        }
        replies_.push_back(datagram.take());
    }

    void acknowledge(const Header& header, std::string_view bytes, int error) {
        const bool whole = error && !caller_.capAck;
        const bool texts = caller_.extAck && (!ack_.text.empty() || (error && (ack_.badAttribute || ack_.policy)));
        // Big enough for any request that a socket buffer takes.
        Datagram datagram(bytes.size() + goodSize);
        const auto flags = static_cast<std::uint16_t>((whole ? 0 : flagCapped) | (texts ? flagAckTlvs : 0));
        const std::size_t reply = datagram.begin(typeError, flags, header.sequence, caller_.portId);
        const std::int32_t code = -error;
        datagram.raw({reinterpret_cast<const char*>(&code), sizeof code});
        datagram.raw(bytes.substr(0, headerSize));
        if (whole)
            datagram.raw(bytes.substr(headerSize));
        if (texts) {
            if (!ack_.text.empty())
                datagram.text(errorText, ack_.text);
            if (error) {
                if (ack_.badAttribute && ack_.message == messages_)
                    datagram.u32(errorOffset, static_cast<std::uint32_t>(*ack_.badAttribute));
                if (ack_.policy)
                    putPolicy(datagram, *ack_.policy);
            }
        }
        datagram.end(reply);
        replies_.push_back(datagram.take());
    }

    Devices& devices_;
    const RdmaResources& resources_;
    const KernelProfile& profile_;
    const Caller& caller_;
    ExtendedAck ack_;
    std::size_t messages_ = 0;
    std::optional<DumpState> dump_;
    Dump dumper_ = nullptr;
    bool told_ = false; // the running dump has made a datagram
    std::vector<std::string> replies_;
};

} // namespace

std::vector<std::string> Nldev::handle(std::string_view request, const Caller& caller) {
    return Conversation(devices_, resources_, profile_, caller).run(request);
}

int Request::parse(Strictness strictness, RequestAttributes& into) const {
    return AttributeParser(strictness, profile.highestAttribute, ack).parse(attributes, headerSize, into);
}

std::vector<Device> Request::visibleDevices() const {
    std::vector<Device> visible = devices.all();
    if (devices.mode() == hardware::RdmaNetnsMode::exclusive)
        std::erase_if(visible, [&](const Device& device) { return device.netns != caller.socketNetns; });
    return visible;
}

std::optional<Device> Request::device(const RequestAttributes& given) const {
    if (!given.has(attrDevIndex))
        return std::nullopt;
    const std::uint32_t index = given.u32(attrDevIndex);
    for (Device& device : visibleDevices())
        if (device.index == index)
            return std::move(device);
    return std::nullopt;
}

Datagram Request::answer(unsigned operation, std::size_t* message) const {
    Datagram datagram(goodSize);
    *message = datagram.begin(messageType(clientNldev, operation), 0, header.sequence, caller.portId);
    return datagram;
}

} // namespace rdmalab::fakekernel::nldev
