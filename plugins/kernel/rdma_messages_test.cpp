// Requests and answers as recorded from a 7.3.4 kernel with soft-RoCE devices.
#include "plugins/kernel/rdma_messages.h"

#include "plugins/kernel/netlink_socket.h"

#include <cstring>
#include <gtest/gtest.h>
#include <netlink/msg.h>
#include <rdma/rdma_netlink.h>

namespace rdmalab::plugin {
namespace {

std::string hex(const void* data, std::size_t size) {
    std::string text;
    char digits[3];
    for (std::size_t i = 0; i < size; ++i) {
        std::snprintf(digits, sizeof digits, "%02x", static_cast<const unsigned char*>(data)[i]);
        text += digits;
    }
    return text;
}

// Everything but flags, sequence number and port, which the socket fills in.
std::string typeAndAttributes(const NetlinkMessage& message) {
    const nlmsghdr* const header = nlmsg_hdr(message.get());
    return hex(&header->nlmsg_type, 2) + " " +
           hex(reinterpret_cast<const char*>(header) + NLMSG_HDRLEN, header->nlmsg_len - NLMSG_HDRLEN);
}

class Recorded {
public:
    explicit Recorded(const std::string& text) {
        for (std::size_t i = 0; i < text.size(); i += 2)
            bytes_.push_back(static_cast<unsigned char>(std::stoi(text.substr(i, 2), nullptr, 16)));
    }
    const nlmsghdr& message() const { return *reinterpret_cast<const nlmsghdr*>(bytes_.data()); }

private:
    std::vector<unsigned char> bytes_;
};

TEST(RdmaRequest, HasTheBytesOfTheTools) {
    NetlinkMessage get(rdmaMessageType(RDMA_NLDEV_CMD_GET), 0);
    fillRdmaDevice(get, 2);
    EXPECT_EQ(typeAndAttributes(get), "0114 0800010002000000");

    NetlinkMessage rename(rdmaMessageType(RDMA_NLDEV_CMD_SET), 0);
    fillRdmaRename(rename, 2, "rxe0");
    EXPECT_EQ(typeAndAttributes(rename), "0214 08000100020000000900020072786530"
                                         "00000000");

    NetlinkMessage uverbs(rdmaMessageType(RDMA_NLDEV_CMD_GET_CHARDEV), 0);
    fillRdmaCharDevice(uverbs, "uverbs", 2);
    EXPECT_EQ(typeAndAttributes(uverbs), "0f14 08000100020000000b0045007576657262730000");

    NetlinkMessage cm(rdmaMessageType(RDMA_NLDEV_CMD_GET_CHARDEV), 0);
    fillRdmaCharDevice(cm, "rdma_cm", std::nullopt);
    EXPECT_EQ(typeAndAttributes(cm), "0f14 0c00450072646d615f636d00");

    NetlinkMessage umad(rdmaMessageType(RDMA_NLDEV_CMD_GET_CHARDEV), 0);
    fillRdmaCharDevice(umad, "umad", 2);
    EXPECT_EQ(typeAndAttributes(umad), "0f14 080001000200000008000300010000000900450075"
                                       "6d616400000000");

    NetlinkMessage move(rdmaMessageType(RDMA_NLDEV_CMD_SET), 0);
    fillRdmaMove(move, 1, 7);
    EXPECT_EQ(typeAndAttributes(move), "0214 08000100010000000800440007000000");

    NetlinkMessage mode(rdmaMessageType(RDMA_NLDEV_CMD_SYS_SET), 0);
    fillRdmaNetnsMode(mode, RdmaNetnsMode::exclusive);
    EXPECT_EQ(typeAndAttributes(mode), "0714 0500420000000000");
}

TEST(RdmaAnswer, DeviceWithAllItHas) {
    const Recorded reply(
        "74000000011400009e2b046b2f010000080001000200000009000200727865300000000008000300010000000c000400763c2201c0"
        "0100000c000600010000feff0000000c000700010000feff00000005000e00010000000500540000000000050065000100000009"
        "004300726f636500000000");
    const auto device = decodeRdmaDevice(reply.message());
    ASSERT_TRUE(device);
    EXPECT_EQ(device->index, 2u);
    EXPECT_EQ(device->name, "rxe0");
    EXPECT_EQ(device->firmware, "");
    EXPECT_EQ(device->nodeGuid, 0x000000fffe000001u);
    EXPECT_EQ(device->systemImageGuid, 0x000000fffe000001u);
    EXPECT_EQ(device->ports, 1u);
    EXPECT_EQ(device->nodeType, 1);
    EXPECT_EQ(device->protocol, "roce");
}

TEST(RdmaAnswer, PortWithItsNetdevHereAndElsewhere) {
    const Recorded here(
        "4c00000001140000cb2b046b720200000800010002000000090002007278653000000000080003000100000005000c0004000000050"
        "00d000500000008003200030000000700330077300000");
    const auto port = decodeRdmaPort(here.message());
    ASSERT_TRUE(port);
    EXPECT_EQ(port->port, 1u);
    EXPECT_EQ(port->state, 4);
    EXPECT_EQ(port->physicalState, 5);
    EXPECT_EQ(port->netdevIndex, 3);
    EXPECT_EQ(port->netdev, "w0");

    const Recorded elsewhere("3800000005140200bc31046bc200000008000100010000000800020072786200080003000100000005000c0004000000050"
                             "00d0005000000");
    const auto bare = decodeRdmaPort(elsewhere.message());
    ASSERT_TRUE(bare);
    EXPECT_FALSE(bare->netdevIndex);
    EXPECT_EQ(bare->netdev, "");
}

TEST(RdmaAnswer, NetnsMode) {
    const Recorded shared("3000000006140000852b046b9300000005004200010000000500600000000000050067000100000005005d0001000000");
    EXPECT_EQ(decodeRdmaNetnsMode(shared.message()), RdmaNetnsMode::shared);
    const Recorded exclusive("1800000006140000852b046b930000000500420000000000");
    EXPECT_EQ(decodeRdmaNetnsMode(exclusive.message()), RdmaNetnsMode::exclusive);
    const Recorded empty("1000000006140000852b046b93000000");
    EXPECT_FALSE(decodeRdmaNetnsMode(empty.message()));
}

TEST(RdmaAnswer, CharDevicesHaveTheKernelsLongNumbers) {
    const Recorded uverbs(
        "3c0000000f140000a22b046b48010000080049000e0000000c004800c0e70000000000000c00470002000000000000000c004600"
        "757665726273300"
        "0");
    const auto device = decodeRdmaCharDevice(uverbs.message());
    ASSERT_TRUE(device);
    EXPECT_EQ(device->name, "uverbs0");
    EXPECT_EQ(device->major, 231u);
    EXPECT_EQ(device->minor, 192u);
    EXPECT_EQ(device->abi, 2u);
    const Recorded cm("340000000f1400008a2b046bb90000000c004800040a1000000000000c00470004000000000000000c00460072646d615f636d00");
    const auto manager = decodeRdmaCharDevice(cm.message());
    ASSERT_TRUE(manager);
    EXPECT_EQ(manager->name, "rdma_cm");
    EXPECT_EQ(manager->major, 10u);
    EXPECT_EQ(manager->minor, 260u);
    EXPECT_EQ(manager->abi, 4u);
}

TEST(RdmaAnswer, TruncatedAttributesAreAsIfAbsent) {
    // DEV_INDEX with two bytes only, and a name that claims more than there is.
    const Recorded shortIndex("2400000001140000000000000000000006000100020000000900020072786530"
                              "00000000");
    EXPECT_FALSE(decodeRdmaDevice(shortIndex.message()));
    const Recorded longName("200000000114000000000000000000000800010002000000ff00020072786530");
    EXPECT_FALSE(decodeRdmaDevice(longName.message()));
}

} // namespace
} // namespace rdmalab::plugin
