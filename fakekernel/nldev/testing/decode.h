// Netlink messages taken apart, for tests.
#pragma once

#include "fakekernel/nldev/uapi.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::fakekernel::nldev {

struct DecodedAttribute {
    std::uint16_t type = 0; // without flags
    bool nested = false;    // NLA_F_NESTED
    std::string_view value;

    std::uint64_t number() const {
        std::uint64_t number = 0;
        std::memcpy(&number, value.data(), std::min<std::size_t>(value.size(), 8));
        return number;
    }
    std::string text() const { return std::string(value.substr(0, value.find('\0'))); }
};

// What does not add up throws.
inline std::vector<DecodedAttribute> decodeAttributes(std::string_view bytes) {
    std::vector<DecodedAttribute> all;
    while (!bytes.empty()) {
        if (bytes.size() < attributeHeaderSize)
            throw std::runtime_error("stray octets behind the attributes");
        std::uint16_t length = 0, type = 0;
        std::memcpy(&length, bytes.data(), 2);
        std::memcpy(&type, bytes.data() + 2, 2);
        if (length < attributeHeaderSize || length > bytes.size())
            throw std::runtime_error("attribute of impossible length");
        all.push_back({static_cast<std::uint16_t>(type & attributeTypeMask), (type & attributeNested) != 0,
                       bytes.substr(attributeHeaderSize, length - attributeHeaderSize)});
        bytes.remove_prefix(std::min<std::size_t>(aligned(length), bytes.size()));
    }
    return all;
}

struct DecodedMessage {
    std::uint16_t type = 0, flags = 0;
    std::uint32_t sequence = 0, portId = 0;
    std::string_view body;
};

inline std::vector<DecodedMessage> decodeMessages(std::string_view datagram) {
    std::vector<DecodedMessage> all;
    while (!datagram.empty()) {
        if (datagram.size() < headerSize)
            throw std::runtime_error("stray octets behind the messages");
        std::uint32_t length = 0;
        DecodedMessage message;
        std::memcpy(&length, datagram.data(), 4);
        std::memcpy(&message.type, datagram.data() + 4, 2);
        std::memcpy(&message.flags, datagram.data() + 6, 2);
        std::memcpy(&message.sequence, datagram.data() + 8, 4);
        std::memcpy(&message.portId, datagram.data() + 12, 4);
        if (length < headerSize || length > datagram.size())
            throw std::runtime_error("message of impossible length");
        message.body = datagram.substr(headerSize, length - headerSize);
        all.push_back(message);
        datagram.remove_prefix(std::min<std::size_t>(aligned(length), datagram.size()));
    }
    return all;
}

inline bool isNest(std::uint16_t type) {
    switch (type) {
    case attrResSummary:
    case attrResSummaryEntry:
    case attrResQp:
    case attrResQpEntry:
    case attrResCmId:
    case attrResCmIdEntry:
    case attrResCq:
    case attrResCqEntry:
    case attrResMr:
    case attrResMrEntry:
    case attrResPd:
    case attrResPdEntry:
    case attrStatHwCounters:
    case attrStatHwCounterEntry:
    case attrResCtx:
    case attrResCtxEntry:
    case attrResSrq:
    case attrResSrqEntry:
        return true;
    default:
        return false;
    }
}

inline std::string describeAttributes(std::string_view bytes) {
    std::string text;
    for (const DecodedAttribute& attribute : decodeAttributes(bytes)) {
        text += " " + std::to_string(attribute.type) + (attribute.nested ? "!" : "");
        if (isNest(attribute.type)) {
            text += "{" + describeAttributes(attribute.value) + " }";
            continue;
        }
        text += "=";
        const std::string shown = attribute.text();
        const bool readable = shown.size() + 1 == attribute.value.size() && !shown.empty() &&
                              std::all_of(shown.begin(), shown.end(), [](char c) { return c >= ' ' && c < 127; });
        if (readable)
            text += "'" + shown + "'";
        else if (attribute.value.size() <= 8)
            text += std::to_string(attribute.number()) + "/" + std::to_string(attribute.value.size());
        else
            text += std::to_string(attribute.value.size()) + " octets";
    }
    return text;
}

// One line a message.
inline std::string describe(std::string_view datagram) {
    std::string text;
    for (const DecodedMessage& message : decodeMessages(datagram)) {
        text += "  type " + std::to_string(message.type) + " flags " + std::to_string(message.flags) + " seq " +
                std::to_string(message.sequence) + " port " + std::to_string(message.portId);
        if (message.type == typeError || message.type == typeDone) {
            std::int32_t code = 0;
            std::memcpy(&code, message.body.data(), 4);
            text += " code " + std::to_string(code) + " then " + std::to_string(message.body.size() - 4) + " octets";
        } else {
            text += describeAttributes(message.body);
        }
        text += "\n";
    }
    return text;
}

} // namespace rdmalab::fakekernel::nldev
