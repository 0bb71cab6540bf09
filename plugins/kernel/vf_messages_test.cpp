// Bytes derived from linux/if_link.h: IFLA_VFINFO_LIST 22, IFLA_VF_INFO 1, IFLA_VF_* 1 MAC, 2 VLAN, 4 SPOOFCHK, 5 LINK_STATE, 6
// RATE, 9 TRUST, 10 and 11 GUIDs, 12 VLAN_LIST with VLAN_INFO 1.
#include "plugins/kernel/vf_messages.h"

#include "plugins/kernel/kernel.h"
#include "plugins/kernel/netlink_socket.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

namespace rdmalab::plugin {
namespace {

// What stands in the innermost attribute, after checking the shells around it.
struct Content {
    std::vector<int> types; // of the nests and of the content
    std::string bytes;
    int pfIndex = 0;
};

Content contentOf(const std::function<void(NetlinkMessage&)>& fill) {
    NetlinkMessage message(RTM_SETLINK, 0);
    fill(message);
    const nlmsghdr* const header = nlmsg_hdr(message.get());
    EXPECT_EQ(header->nlmsg_type, RTM_SETLINK);
    ifinfomsg link{};
    std::memcpy(&link, nlmsg_data(header), sizeof link);
    EXPECT_EQ(link.ifi_family, 0);
    Content content;
    content.pfIndex = link.ifi_index;
    const nlattr* attribute = nlmsg_attrdata(header, sizeof link);
    int left = nlmsg_attrlen(header, sizeof link);
    for (;;) {
        EXPECT_TRUE(nla_ok(attribute, left));
        EXPECT_EQ(nla_total_size(nla_len(attribute)), left) << "one attribute per nest";
        content.types.push_back(nla_type(attribute));
        const int type = content.types.back();
        const bool nest = content.types.size() < 3 || (content.types.size() == 3 && type == IFLA_VF_VLAN_LIST);
        if (!nest)
            break;
        left = nla_len(attribute);
        attribute = static_cast<const nlattr*>(nla_data(attribute));
    }
    char digits[3];
    for (int i = 0; i < nla_len(attribute); ++i) {
        std::snprintf(digits, sizeof digits, "%02x", static_cast<const unsigned char*>(nla_data(attribute))[i]);
        content.bytes += digits;
    }
    return content;
}

using Types = std::vector<int>;

TEST(VfRequest, MacIsPaddedTo32Bytes) {
    const auto content = contentOf([](NetlinkMessage& message) { fillVfMac(message, 7, 3, "02:aB:00:00:00:01"); });
    EXPECT_EQ(content.pfIndex, 7);
    EXPECT_EQ(content.types, (Types{22, 1, 1}));
    EXPECT_EQ(content.bytes, "0300000002ab00000001" + std::string(52, '0'));
    EXPECT_THROW(contentOf([](NetlinkMessage& message) { fillVfMac(message, 7, 3, "rubbish"); }), KernelError);
}

TEST(VfRequest, VlanCarriesItsProtocolInNetworkOrder) {
    const auto content = contentOf([](NetlinkMessage& message) { fillVfVlan(message, 7, 1, 100, 3, 0x88a8); });
    EXPECT_EQ(content.types, (Types{22, 1, 12, 1}));
    EXPECT_EQ(content.bytes, "01000000"
                             "64000000"
                             "03000000"
                             "88a80000");
}

TEST(VfRequest, TheOthers) {
    const auto rate = contentOf([](NetlinkMessage& message) { fillVfRate(message, 7, 1, 0, 1000); });
    EXPECT_EQ(rate.types, (Types{22, 1, 6}));
    EXPECT_EQ(rate.bytes, "0100000000000000e8030000");
    const auto spoof = contentOf([](NetlinkMessage& message) { fillVfSpoofCheck(message, 7, 2, true); });
    EXPECT_EQ(spoof.types, (Types{22, 1, 4}));
    EXPECT_EQ(spoof.bytes, "0200000001000000");
    const auto trust = contentOf([](NetlinkMessage& message) { fillVfTrust(message, 7, 2, false); });
    EXPECT_EQ(trust.types, (Types{22, 1, 9}));
    EXPECT_EQ(trust.bytes, "0200000000000000");
    const auto state = contentOf([](NetlinkMessage& message) { fillVfLinkState(message, 7, 2, VfLinkState::disable); });
    EXPECT_EQ(state.types, (Types{22, 1, 5}));
    EXPECT_EQ(state.bytes, "0200000002000000");
    const auto node = contentOf([](NetlinkMessage& message) { fillVfNodeGuid(message, 7, 2, 0x1122334455667788); });
    EXPECT_EQ(node.types, (Types{22, 1, 10}));
    EXPECT_EQ(node.bytes, "02000000000000008877665544332211");
    const auto port = contentOf([](NetlinkMessage& message) { fillVfPortGuid(message, 7, 2, 1); });
    EXPECT_EQ(port.types, (Types{22, 1, 11}));
}

// An answer as rtnl_fill_vf (net/core/rtnetlink.c) writes it, in its order.
void putVf(NetlinkMessage& message, unsigned vf, const unsigned char (&mac)[6], bool infiniband) {
    message.nest(IFLA_VF_INFO, [&] {
        ifla_vf_mac address{};
        address.vf = vf;
        std::memcpy(address.mac, mac, sizeof mac);
        message.put(IFLA_VF_MAC, &address, sizeof address);
        const ifla_vf_broadcast broadcast{};
        message.put(IFLA_VF_BROADCAST, &broadcast, sizeof broadcast);
        const ifla_vf_vlan vlan{vf, 100 + vf, 3};
        message.put(IFLA_VF_VLAN, &vlan, sizeof vlan);
        const ifla_vf_rate rate{vf, 10, 200};
        message.put(IFLA_VF_RATE, &rate, sizeof rate);
        const ifla_vf_tx_rate txRate{vf, 200};
        message.put(IFLA_VF_TX_RATE, &txRate, sizeof txRate);
        const ifla_vf_spoofchk spoof{vf, 1};
        message.put(IFLA_VF_SPOOFCHK, &spoof, sizeof spoof);
        const ifla_vf_link_state state{vf, IFLA_VF_LINK_STATE_ENABLE};
        message.put(IFLA_VF_LINK_STATE, &state, sizeof state);
        const ifla_vf_trust trust{vf, 0};
        message.put(IFLA_VF_TRUST, &trust, sizeof trust);
        if (infiniband) {
            const ifla_vf_guid guid{vf, 0x1122334455667788};
            message.put(IFLA_VF_IB_NODE_GUID, &guid, sizeof guid);
        }
        message.nest(IFLA_VF_VLAN_LIST, [&] {
            const ifla_vf_vlan_info info{vf, 100 + vf, 3, 0xa888};
            message.put(IFLA_VF_VLAN_INFO, &info, sizeof info);
        });
    });
}

TEST(VfAnswer, EveryValueOfEveryVf) {
    NetlinkMessage message(RTM_NEWLINK, 0);
    message.header(ifinfomsg{}).put(IFLA_IFNAME, "ens6f0np0").putU32(IFLA_NUM_VF, 2);
    message.nest(IFLA_VFINFO_LIST, [&] {
        putVf(message, 0, {0, 0, 0, 0, 0, 0}, false);
        putVf(message, 1, {0x02, 0xab, 0, 0, 0, 1}, true);
    });
    const auto vfs = decodeVfs(*nlmsg_hdr(message.get()));
    ASSERT_EQ(vfs.size(), 2u);
    EXPECT_EQ(vfs[0].vf, 0);
    EXPECT_EQ(vfs[0].mac, "00:00:00:00:00:00");
    EXPECT_FALSE(vfs[0].nodeGuid);
    EXPECT_EQ(vfs[1].vf, 1);
    EXPECT_EQ(vfs[1].mac, "02:ab:00:00:00:01");
    EXPECT_EQ(vfs[1].vlan, 101);
    EXPECT_EQ(vfs[1].qos, 3);
    EXPECT_EQ(vfs[1].vlanProtocol, 0x88a8);
    EXPECT_EQ(vfs[1].minTxRate, 10u);
    EXPECT_EQ(vfs[1].maxTxRate, 200u);
    EXPECT_TRUE(vfs[1].spoofCheck);
    EXPECT_FALSE(vfs[1].trust);
    EXPECT_EQ(vfs[1].linkState, VfLinkState::enable);
    EXPECT_EQ(vfs[1].nodeGuid, 0x1122334455667788u);
    EXPECT_FALSE(vfs[1].portGuid);
}

TEST(VfAnswer, NoListNoVfs) {
    NetlinkMessage message(RTM_NEWLINK, 0);
    message.header(ifinfomsg{}).putU32(IFLA_NUM_VF, 2);
    EXPECT_TRUE(decodeVfs(*nlmsg_hdr(message.get())).empty());
    NetlinkMessage other(RTM_NEWADDR, 0);
    EXPECT_TRUE(decodeVfs(*nlmsg_hdr(other.get())).empty());
}

TEST(VfAnswer, AShorterStructureIsFilledUpWithZeros) {
    NetlinkMessage message(RTM_NEWLINK, 0);
    message.header(ifinfomsg{}).nest(IFLA_VFINFO_LIST, [&] {
        message.nest(IFLA_VF_INFO, [&] { message.putU32(IFLA_VF_RATE, 3).putU8(IFLA_VF_TRUST, 1); });
    });
    const auto vfs = decodeVfs(*nlmsg_hdr(message.get()));
    ASSERT_EQ(vfs.size(), 1u);
    EXPECT_EQ(vfs[0].maxTxRate, 0u);
    EXPECT_FALSE(vfs[0].trust);
}

} // namespace
} // namespace rdmalab::plugin
