#include "fakekernel/nldev/policy.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace rdmalab::fakekernel::nldev {
namespace {

constexpr std::size_t policies = 119;

std::array<AttributePolicy, policies> makePolicies() {
    using Kind = AttributeKind;
    std::array<AttributePolicy, policies> all{};
    for (int type : {11, 12, 13, 14, 25, 26, 27, 39, 55, 66, 84, 93, 95, 96, 97, 99, 101, 102, 104, 108})
        all.at(type) = {Kind::u8};
    for (int type : {1,  3,  9,  10, 21, 22, 23, 24, 28, 32, 37, 42, 43, 48, 49,  50,  57,  60,
                     61, 62, 63, 64, 68, 73, 74, 75, 76, 79, 90, 91, 92, 94, 109, 112, 115, 116})
        all.at(type) = {Kind::u32};
    for (int type : {6, 7, 8, 18, 38, 44, 45, 59, 71, 72, 83, 110, 111, 113, 114, 117, 118})
        all.at(type) = {Kind::u64};
    for (int type : {15, 16, 19, 20, 30, 31, 35, 36, 40, 41, 46, 47, 52, 53, 77, 78, 80, 81, 86, 87, 88, 89, 105, 106, 107})
        all.at(type) = {Kind::nested};
    for (int type : {5, 17, 29, 54, 67, 70, 98}) // never sent by user space: an empty string is all that passes
        all.at(type) = {Kind::nulString, 1};
    for (int type : {51, 65})
        all.at(type) = {Kind::nulString, 16};
    for (int type : {82, 100})
        all.at(type) = {Kind::nulString};
    all[2] = {Kind::nulString, 64};
    all[69] = {Kind::nulString, 32};
    all[33] = all[34] = {Kind::unspecified, 128}; // struct sockaddr_storage
    all[56] = {Kind::s32};
    all[58] = {Kind::s64};
    all[85] = {Kind::binary};
    return all;
}

// Octets of an integer, 0 for everything else.
std::size_t integerSize(AttributeKind kind) {
    switch (kind) {
    case AttributeKind::u8:
        return 1;
    case AttributeKind::u32:
    case AttributeKind::s32:
        return 4;
    case AttributeKind::u64:
    case AttributeKind::s64:
        return 8;
    default:
        return 0;
    }
}

std::uint16_t halfword(std::string_view bytes, std::size_t at) {
    std::uint16_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

template <typename Integer>
Integer integer(std::string_view bytes) {
    Integer value = 0;
    std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
    return value;
}

bool stringFits(std::string_view value, unsigned length) {
    const std::size_t searched = length ? std::min<std::size_t>(value.size(), length + 1) : value.size();
    if (value.substr(0, searched).find('\0') == std::string_view::npos)
        return false;
    if (value.back() == '\0')
        value.remove_suffix(1);
    return !length || value.size() <= length;
}

} // namespace

const AttributePolicy& policyOf(unsigned attribute) {
    static const std::array<AttributePolicy, policies> all = makePolicies();
    static const AttributePolicy none;
    return attribute < all.size() ? all[attribute] : none;
}

std::uint8_t RequestAttributes::u8(Attribute attribute) const {
    return integer<std::uint8_t>(bytes(attribute));
}

std::uint32_t RequestAttributes::u32(Attribute attribute) const {
    return integer<std::uint32_t>(bytes(attribute));
}

std::string RequestAttributes::text(Attribute attribute, std::size_t size) const {
    std::string_view value = bytes(attribute);
    value = value.substr(0, std::min(value.find('\0'), size - 1));
    return std::string(value);
}

int AttributeParser::refuse(int error, std::string_view text, std::optional<std::size_t> attribute,
                            const AttributePolicy* policy) {
    if (ack_) {
        ack_->say(text);
        if (attribute) {
            ack_->badAttribute = attribute;
            ack_->policy = policy;
        }
    }
    return error;
}

int AttributeParser::validate(std::uint16_t rawType, std::string_view value, std::size_t offset) {
    const bool strict = strictness_ == Strictness::strict;
    const AttributePolicy& policy = policyOf(rawType & attributeTypeMask);
    const std::size_t size = integerSize(policy.kind);
    if (strict && size && value.size() != size)
        return refuse(EINVAL, "invalid attribute length", offset, &policy);
    if (strict) {
        const bool nested = policy.kind == AttributeKind::nested;
        if (nested && !(rawType & attributeNested))
            return refuse(EINVAL, "NLA_F_NESTED is missing", offset, &policy);
        if (!nested && policy.kind != AttributeKind::unspecified && (rawType & attributeNested))
            return refuse(EINVAL, "NLA_F_NESTED not expected", offset, &policy);
    }
    bool fits = true;
    int error = ERANGE;
    switch (policy.kind) {
    case AttributeKind::nulString:
        // Which of the two errors it is nobody sees: all commands but one turn them into EINVAL.
        if (value.empty() ||
            value.substr(0, policy.length ? policy.length + 1 : value.size()).find('\0') == std::string_view::npos)
            error = EINVAL;
        fits = !value.empty() && stringFits(value, policy.length);
        break;
    case AttributeKind::nested:
        fits = value.empty() || value.size() >= attributeHeaderSize;
        break;
    case AttributeKind::unspecified:
        if (strict)
            return refuse(EINVAL, "Unsupported attribute", offset, nullptr);
        fits = value.size() >= policy.length;
        break;
    case AttributeKind::binary:
        break;
    default:
        fits = value.size() >= size;
    }
    return fits ? 0 : refuse(error, "Attribute failed policy validation", offset, &policy);
}

int AttributeParser::parse(std::string_view attributes, std::size_t offset, RequestAttributes& into) {
    std::size_t at = 0;
    while (attributes.size() - at >= attributeHeaderSize) {
        const std::size_t length = halfword(attributes, at);
        if (length < attributeHeaderSize || length > attributes.size() - at)
            break;
        const std::uint16_t rawType = halfword(attributes, at + 2);
        const unsigned type = rawType & attributeTypeMask;
        const std::string_view value = attributes.substr(at + attributeHeaderSize, length - attributeHeaderSize);
        if (type == 0 || type > highest_) {
            if (strictness_ == Strictness::strict)
                return refuse(EINVAL, "Unknown attribute type", offset + at, nullptr);
        } else {
            if (const int error = validate(rawType, value, offset + at))
                return error;
            into.values_[type] = value;
            into.present_[type] = true;
        }
        at = std::min(at + aligned(length), attributes.size());
    }
    if (at < attributes.size()) {
        const bool strict = strictness_ == Strictness::strict;
        return refuse(strict ? EINVAL : 0, "bytes leftover after parsing attributes", std::nullopt, nullptr);
    }
    return 0;
}

} // namespace rdmalab::fakekernel::nldev
