// What attributes a request may carry, and how strictly that is checked (lib/nlattr.c, nldev_policy of
// drivers/infiniband/core/nldev.c).
#pragma once

#include "fakekernel/nldev/uapi.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rdmalab::fakekernel::nldev {

enum class AttributeKind { unspecified, u8, u32, u64, s32, s64, nulString, nested, binary };

struct AttributePolicy {
    AttributeKind kind = AttributeKind::unspecified;
    unsigned length = 0; // the most characters of a string without its NUL, 0 = any; the least octets of something unspecified
};

const AttributePolicy& policyOf(unsigned attribute);

// Why a request is refused, or what was odd about one that is not (NETLINK_EXT_ACK). Kept over all messages of one datagram, as
// the kernel does.
struct ExtendedAck {
    std::string text;
    std::optional<std::size_t> badAttribute; // offset in the message `message`
    const AttributePolicy* policy = nullptr;
    std::size_t message = 0; // which one of the datagram

    void say(std::string_view what) { text = what; }
};

class RequestAttributes {
public:
    static constexpr std::size_t most = 256;

    bool has(Attribute attribute) const { return present_[attribute]; }
    std::string_view bytes(Attribute attribute) const { return values_[attribute]; }
    // Zero-extended when the attribute is shorter. 0 for one that is absent.
    std::uint8_t u8(Attribute attribute) const;
    std::uint32_t u32(Attribute attribute) const;
    // As nla_strscpy into a buffer of `size` octets.
    std::string text(Attribute attribute, std::size_t size) const;

private:
    friend class AttributeParser;
    std::array<std::string_view, most> values_;
    std::array<bool, most> present_{};
};

enum class Strictness {
    liberal, // unknown attributes and wrong lengths that are long enough pass
    strict,
};

// Walks attributes of one message.
class AttributeParser {
public:
    AttributeParser(Strictness strictness, unsigned highestAttribute, ExtendedAck* ack)
        : strictness_(strictness), highest_(highestAttribute), ack_(ack) {}
    // `offset`: where `attributes` begins in the message. 0 or an errno.
    int parse(std::string_view attributes, std::size_t offset, RequestAttributes& into);

private:
    int validate(std::uint16_t rawType, std::string_view value, std::size_t offset);
    int refuse(int error, std::string_view text, std::optional<std::size_t> attribute, const AttributePolicy* policy);

    Strictness strictness_;
    unsigned highest_;
    ExtendedAck* ack_; // null: nobody will see it
};

} // namespace rdmalab::fakekernel::nldev
