#include "fakekernel/nldev/message.h"

#include <cstring>

namespace rdmalab::fakekernel::nldev {

bool Datagram::fits(std::size_t octets) {
    full_ = full_ || bytes_.size() + octets > capacity_;
    return !full_;
}

void Datagram::cutTo(std::size_t size) {
    if (size < bytes_.size())
        bytes_.resize(size);
    full_ = false;
}

std::size_t Datagram::begin(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence, std::uint32_t portId) {
    const std::size_t message = bytes_.size();
    if (fits(headerSize)) {
        append(std::uint32_t(0));
        append(type);
        append(flags);
        append(sequence);
        append(portId);
    }
    return message;
}

void Datagram::end(std::size_t message) {
    if (bytes_.size() < message + headerSize)
        return;
    const auto length = static_cast<std::uint32_t>(bytes_.size() - message);
    std::memcpy(bytes_.data() + message, &length, sizeof length);
}

void Datagram::raw(std::string_view bytes) {
    if (!fits(aligned(bytes.size())))
        return;
    bytes_.append(bytes);
    bytes_.append(aligned(bytes.size()) - bytes.size(), '\0');
}

void Datagram::put(std::uint16_t attribute, std::string_view bytes) {
    if (!fits(aligned(attributeHeaderSize + bytes.size())))
        return;
    append(static_cast<std::uint16_t>(attributeHeaderSize + bytes.size()));
    append(attribute);
    raw(bytes);
}

void Datagram::u8(std::uint16_t attribute, std::uint8_t value) {
    put(attribute, {reinterpret_cast<const char*>(&value), sizeof value});
}

void Datagram::u32(std::uint16_t attribute, std::uint32_t value) {
    put(attribute, {reinterpret_cast<const char*>(&value), sizeof value});
}

void Datagram::u64(std::uint16_t attribute, std::uint64_t value) {
    put(attribute, {reinterpret_cast<const char*>(&value), sizeof value});
}

void Datagram::text(std::uint16_t attribute, std::string_view value) {
    put(attribute, std::string(value) + '\0');
}

std::size_t Datagram::beginNest(std::uint16_t attribute, bool flagged) {
    const std::size_t nest = bytes_.size();
    put(static_cast<std::uint16_t>(attribute | (flagged ? attributeNested : 0)), {});
    return nest;
}

void Datagram::endNest(std::size_t nest) {
    if (bytes_.size() < nest + attributeHeaderSize)
        return;
    const auto length = static_cast<std::uint16_t>(bytes_.size() - nest);
    std::memcpy(bytes_.data() + nest, &length, sizeof length);
}

} // namespace rdmalab::fakekernel::nldev
