#include "plugins/kernel/announce.h"

#include <gtest/gtest.h>

namespace rdmalab::plugin {
namespace {

using Bytes = std::vector<unsigned char>;
const Bytes mac{0x02, 0xab, 0, 0, 0, 1};

TEST(Announcement, GratuitousArpNamesTheAddressTwice) {
    EXPECT_EQ(gratuitousArp(mac, *IpAddress::parse("10.0.0.1")),
              (Bytes{0,    1,    8,    0,    6,    4,    0,  1,          // Ethernet, IPv4, request
                     0x02, 0xab, 0,    0,    0,    1,    10, 0, 0, 1,    // sender
                     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 10, 0, 0, 1})); // target
}

TEST(Announcement, NeighbourAdvertisementOverridesAndIsNotSolicited) {
    EXPECT_EQ(neighbourAdvertisement(mac, *IpAddress::parse("fd00::1")),
              (Bytes{136, 0, 0,    0,    0x20, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // target
                     2,   1, 0x02, 0xab, 0,    0, 0, 1})); // its link-layer address
}

} // namespace
} // namespace rdmalab::plugin
