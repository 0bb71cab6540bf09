// Framing, dumps of several datagrams, garbage, notifications of a machine: what the recordings do not hold.
#include "fakekernel/nldev/nldev.h"

#include "fakekernel/nldev/machine_devices.h"
#include "fakekernel/nldev/message.h"
#include "fakekernel/nldev/monitor.h"
#include "fakekernel/nldev/testing/decode.h"
#include "fakekernel/nldev/testing/memory_devices.h"
#include "fakekernel/nldev/testing/recording.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <set>

namespace rdmalab::fakekernel::nldev {
namespace {

constexpr std::uint16_t request = flagRequest, acked = flagRequest | flagAck, dumped = flagRequest | flagDump;

std::string ask(unsigned operation, std::uint16_t flags, const std::function<void(Datagram&)>& fill = {}, unsigned client = 5) {
    Datagram datagram(65536);
    const std::size_t message = datagram.begin(messageType(client, operation), flags, 7, 0);
    if (fill)
        fill(datagram);
    datagram.end(message);
    return datagram.take();
}

class NldevTest : public ::testing::Test {
protected:
    NldevTest() {
        caller_.portId = 42;
        caller_.netAdmin = caller_.extAck = true;
        add("mlx5_0", 1, "eth0");
        add("mlx5_1", 1, "eth1");
    }
    Device& add(const std::string& name, NetnsId netns, const std::string& netdev) {
        const auto index = static_cast<std::uint32_t>(devices_.devices.size());
        Device device = devices_.softRoce(index, name, {netdev, static_cast<int>(index) + 2, netns}, index + 1);
        device.netns = netns;
        device.softRoce = false;
        return devices_.devices[index] = device;
    }
    std::vector<std::string> send(const std::string& bytes) {
        return Nldev(devices_, resources_, devices_.profile).handle(bytes, caller_);
    }
    // Of the only reply, an error or an acknowledgement.
    int errorOf(const std::string& bytes) {
        const std::vector<std::string> replies = send(bytes);
        EXPECT_EQ(replies.size(), 1U);
        if (replies.empty())
            return -1;
        const auto messages = decodeMessages(replies.at(0));
        EXPECT_EQ(messages.at(0).type, typeError);
        std::int32_t code = 0;
        std::memcpy(&code, messages.at(0).body.data(), 4);
        return -code;
    }
    static std::uint16_t typeOf(const std::string& datagram) { return decodeMessages(datagram).at(0).type; }

    MemoryDevices devices_{KernelProfile::linux7_3()};
    MirroredResources resources_;
    Caller caller_;
};

TEST_F(NldevTest, WhatIsNoMessageIsPassedOver) {
    EXPECT_TRUE(send("").empty());
    EXPECT_TRUE(send(std::string(15, '\0')).empty());
    std::string longer = ask(cmdSysGet, acked);
    longer[0] = 17; // claims an octet more than there is
    EXPECT_TRUE(send(longer).empty());
    longer[0] = 15;
    EXPECT_TRUE(send(longer).empty());
}

TEST_F(NldevTest, WithoutTheRequestFlagNothingIsDone) {
    const auto byName = [](Datagram& into) {
        into.u32(attrDevIndex, 0);
        into.text(attrDevName, "other");
    };
    EXPECT_TRUE(send(ask(cmdSet, 0, byName)).empty());
    EXPECT_EQ(errorOf(ask(cmdSet, flagAck, byName)), 0);
    EXPECT_EQ(devices_.devices.at(0).name, "mlx5_0");
}

TEST_F(NldevTest, SeveralRequestsInOneDatagram) {
    const std::vector<std::string> replies = send(ask(cmdSysGet, request) + ask(cmdSysGet, acked) + ask(200, request));
    ASSERT_EQ(replies.size(), 4U);
    EXPECT_EQ(typeOf(replies[0]), messageType(5, cmdSysGet));
    EXPECT_EQ(typeOf(replies[2]), typeError);
    EXPECT_EQ(typeOf(replies[3]), typeError);
}

TEST_F(NldevTest, DumpGivesWayToTheRestOfTheDatagramAndRefusesAnother) {
    const std::vector<std::string> replies = send(ask(cmdGet, dumped) + ask(cmdSysGet, request) + ask(cmdGet, dumped));
    ASSERT_EQ(replies.size(), 5U);
    EXPECT_EQ(typeOf(replies[0]), messageType(5, cmdGet)); // first device
    EXPECT_EQ(typeOf(replies[1]), messageType(5, cmdSysGet));
    EXPECT_EQ(typeOf(replies[2]), typeError);              // EBUSY
    EXPECT_EQ(typeOf(replies[3]), messageType(5, cmdGet)); // second device
    EXPECT_EQ(typeOf(replies[4]), typeDone);
    std::int32_t code = 0;
    std::memcpy(&code, decodeMessages(replies[2]).at(0).body.data(), 4);
    EXPECT_EQ(code, -EBUSY);
}

TEST_F(NldevTest, TextOfARefusalStaysForTheRestOfTheDatagram) {
    const std::string unknown = ask(cmdSysSet, request, [](Datagram& into) { into.u32(200, 1); });
    const std::vector<std::string> replies = send(unknown + ask(cmdSysGet, acked));
    ASSERT_EQ(replies.size(), 3U);
    const auto ack = decodeMessages(replies[2]).at(0);
    EXPECT_EQ(ack.flags, flagCapped | flagAckTlvs);
    EXPECT_EQ(describeAttributes(ack.body.substr(20)), " 1='Unknown attribute type'");
}

TEST_F(NldevTest, LargeDumpIsSplitAndNothingIsLostOrTwice) {
    DeviceResources& objects = resources_.byDevice[0];
    for (std::uint32_t i = 0; i < 1000; ++i) {
        QueuePair qp;
        qp.id = qp.number = i + 2;
        qp.port = 1;
        qp.pid = 10;
        objects.qps.push_back(qp);
    }
    const std::string dump = ask(cmdResQpGet, dumped, [](Datagram& into) { into.u32(attrDevIndex, 0); });
    for (const std::size_t buffer : {0UL, 16384UL, 1UL << 20}) {
        caller_.nextReceive = buffer;
        const std::vector<std::string> replies = send(dump);
        std::set<std::uint64_t> numbers;
        for (std::size_t i = 0; i + 1 < replies.size(); ++i) {
            EXPECT_LE(replies[i].size(), i == 0 || !buffer ? 3776U : std::min<std::size_t>(buffer, 32448));
            for (const DecodedAttribute& table : decodeAttributes(decodeMessages(replies[i]).at(0).body))
                if (table.type == attrResQp)
                    for (const DecodedAttribute& entry : decodeAttributes(table.value))
                        for (const DecodedAttribute& attribute : decodeAttributes(entry.value))
                            if (attribute.type == attrResLqpn) {
                                EXPECT_TRUE(numbers.insert(attribute.number()).second);
                            }
        }
        EXPECT_EQ(numbers.size(), 1000U);
        EXPECT_EQ(typeOf(replies.back()), typeDone);
    }
}

TEST_F(NldevTest, ObjectThatFitsNowhereEndsTheDump) {
    DeviceResources& objects = resources_.byDevice[0];
    objects.srqs.resize(1);
    for (std::uint32_t i = 0; i < 2000; ++i) {
        QueuePair qp;
        qp.id = qp.number = 2 * i + 2; // no neighbours: a range each
        qp.srq = 0;
        objects.qps.push_back(qp);
    }
    const auto index = [](Datagram& into) { into.u32(attrDevIndex, 0); };
    const std::vector<std::string> replies = send(ask(cmdResSrqGet, dumped, index));
    std::int32_t code = 0;
    std::memcpy(&code, decodeMessages(replies.back()).at(0).body.data(), 4);
    EXPECT_EQ(code, -EMSGSIZE);
    EXPECT_EQ(errorOf(ask(cmdResSrqGet, request,
                          [&](Datagram& into) {
                              index(into);
                              into.u32(attrResSrqn, 0);
                          })),
              EMSGSIZE);
}

TEST_F(NldevTest, OfTwoAttributesOfOneTypeTheLastCounts) {
    const std::vector<std::string> replies = send(ask(cmdGet, request, [](Datagram& into) {
        into.u32(attrDevIndex, 0);
        into.u32(attrDevIndex, 1);
    }));
    const auto attributes = decodeAttributes(decodeMessages(replies.at(0)).at(0).body);
    EXPECT_EQ(attributes.at(1).text(), "mlx5_1");
}

TEST_F(NldevTest, LeftoverOctetsAreTolerableInAQuestionOnly) {
    const auto tail = [](Datagram& into) {
        into.u32(attrDevIndex, 0);
        into.raw("abcd");
    };
    const std::vector<std::string> replies = send(ask(cmdGet, acked, tail));
    ASSERT_EQ(replies.size(), 2U);
    EXPECT_NE(replies[1].find("bytes leftover after parsing attributes"), std::string::npos);
    EXPECT_EQ(errorOf(ask(cmdSet, acked, tail)), EINVAL);
}

TEST_F(NldevTest, UnderStrictCheckingNestsMustSaySoAndOthersMustNot) {
    const auto setCounters = [](std::uint16_t type) {
        return [type](Datagram& into) {
            into.u32(attrDevIndex, 0);
            into.u32(attrPortIndex, 1);
            into.put(type, {});
        };
    };
    EXPECT_NE(send(ask(cmdStatSet, acked, setCounters(attrStatHwCounters))).at(0).find("NLA_F_NESTED is missing"),
              std::string::npos);
    EXPECT_EQ(typeOf(send(ask(cmdStatSet, acked, setCounters(attrStatHwCounters | attributeNested))).at(0)),
              messageType(5, cmdStatSet));
    const auto flaggedName = [](Datagram& into) { into.put(attrDevName | attributeNested, std::string("a", 2)); };
    EXPECT_NE(send(ask(cmdSet, acked, flaggedName)).at(0).find("NLA_F_NESTED not expected"), std::string::npos);
}

TEST_F(NldevTest, OtherClientsAreServedInTheNodesNamespaceOnly) {
    constexpr unsigned resolve = 0, setTimeout = 1;
    EXPECT_EQ(errorOf(ask(setTimeout, acked, {}, clientLocalService)), 0);
    EXPECT_EQ(errorOf(ask(resolve, flagAck, {}, clientLocalService)), 0); // an answer that nobody waits for
    EXPECT_EQ(errorOf(ask(resolve, acked, {}, clientLocalService)), EPERM);
    caller_.netAdmin = false;
    EXPECT_EQ(errorOf(ask(setTimeout, acked, {}, clientLocalService)), EPERM);
    caller_.socketNetns = 9;
    EXPECT_EQ(errorOf(ask(setTimeout, acked, {}, clientLocalService)), EINVAL);
}

TEST_F(NldevTest, MovesFollowTheKernelsOrderOfChecks) {
    devices_.netnsMode = hardware::RdmaNetnsMode::exclusive;
    ResolvedNetns target{0, 5};
    caller_.resolveNetns = [&](std::uint32_t) { return target; };
    const auto move = [](std::uint32_t index, const char* name = nullptr) {
        return ask(cmdSet, acked, [=](Datagram& into) {
            into.u32(attrDevIndex, index);
            if (name)
                into.text(attrDevName, name);
            into.u32(attrNetnsFd, 3);
        });
    };
    target.error = EPERM;
    EXPECT_NE(send(move(0)).at(0).find("Missing CAP_NET_ADMIN in the target net namespace"), std::string::npos);
    target.error = 0;
    caller_.threadNetns = 9;
    EXPECT_EQ(errorOf(move(0)), ENODEV);
    caller_.threadNetns = 1;
    EXPECT_EQ(errorOf(move(0)), 0);
    EXPECT_EQ(devices_.devices.at(0).netns, 5U);
    EXPECT_EQ(errorOf(move(0)), EINVAL); // out of sight now
    EXPECT_EQ(errorOf(move(1, "mlx5_0")), EEXIST);
    EXPECT_EQ(errorOf(move(1, "net1")), 0);
    EXPECT_EQ(devices_.devices.at(1).name, "net1");
    EXPECT_EQ(devices_.devices.at(1).netns, 5U);
}

TEST_F(NldevTest, InfiniBandPort) {
    Device& device = devices_.devices.at(0);
    device.protocol = "ib";
    device.lid = 3;
    device.smLid = 1;
    device.portCapFlags = 0xa651e848;
    device.subnetPrefix = 0xfe80000000000000;
    const std::vector<std::string> replies = send(ask(cmdPortGet, request, [](Datagram& into) {
        into.u32(attrDevIndex, 0);
        into.u32(attrPortIndex, 1);
    }));
    std::vector<int> types;
    for (const DecodedAttribute& attribute : decodeAttributes(decodeMessages(replies.at(0)).at(0).body))
        types.push_back(attribute.type);
    EXPECT_EQ(types, (std::vector<int>{1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 50, 51}));
}

TEST(MonitorTest, TellsWhatHappensToAMachine) {
    hardware::MachineSpec spec;
    spec.name = "node1";
    hardware::NicSpec nicSpec;
    nicSpec.model = "ConnectX-5";
    nicSpec.pci = "0000:01:00.0";
    nicSpec.netdev = "p0";
    nicSpec.rdma = "mlx5_0";
    spec.nics = {nicSpec};
    hardware::Machine machine(spec);
    MachineDevices devices(machine);
    Monitor monitor(machine, devices, KernelProfile::linux7_3());
    std::vector<std::string> heard;
    const auto watching = machine.observe([&](const hardware::HardwareEvent& event) {
        for (const auto& [netns, message] : monitor.messagesFor(event))
            heard.push_back(std::to_string(netns) + describeAttributes(decodeMessages(message).at(0).body));
    });
    const hardware::Nic& nic = *machine.nics().at(0);
    machine.renameRdma(nic, "roce0");
    machine.renameNetdev(nic, "eth0");
    machine.moveNetdev(nic, 7);
    machine.setRdmaNetnsMode(hardware::RdmaNetnsMode::exclusive);
    machine.moveRdma(nic, 7);
    machine.renameNetdev(nic, "net1");
    const std::string ifindex = std::to_string(nic.port.ifindex) + "/4";
    EXPECT_EQ(heard, (std::vector<std::string>{
                         "1 1=0/4 2='roce0' 102=4/1",
                         "1 50=" + ifindex + " 51=" + "'eth0' 102=5/1",
                         "1 1=0/4 2='roce0' 3=1/4 102=3/1",
                         "1 102=2/1",
                         "7 50=" + ifindex + " 51=" + "'net1' 102=5/1",
                     }));
}

// Requests that were changed at random places, all known ones among them.
TEST(Garbage, NeverBreaksAnything) {
    std::vector<std::string> seeds;
    for (const Recording& recording : allRecordings())
        if (!recording.multicast)
            seeds.push_back(recording.request);
    for (unsigned operation = 0; operation < 32; ++operation)
        for (const std::uint16_t flags : {acked, static_cast<std::uint16_t>(dumped | flagAck)})
            seeds.push_back(ask(operation, flags, [](Datagram& into) {
                into.u32(attrDevIndex, 1);
                into.u32(attrPortIndex, 1);
                into.u32(attrStatRes, attrResQp);
                into.text(attrDevName, "x");
            }));
    const char* wanted = std::getenv("RDMALAB_MUTATIONS");
    const unsigned long rounds = wanted ? std::strtoul(wanted, nullptr, 10) : 10000;
    std::mt19937_64 random(20240229);
    MemoryDevices devices(KernelProfile::linux7_3());
    MirroredResources resources;
    std::size_t answered = 0, octets = 0;
    for (unsigned long round = 0; round < rounds; ++round) {
        if (round % 500 == 0) { // some will have been deleted
            devices.devices.clear();
            for (std::uint32_t i = 0; i < 3; ++i)
                devices.devices[i] = devices.softRoce(i, "rxe" + std::to_string(i), {"v" + std::to_string(i), 3, 1}, i + 1);
            devices.nextIndex = 0;
        }
        devices.profile = round % 2 ? KernelProfile::linux7_3() : KernelProfile::linux6_12();
        std::string bytes = seeds[random() % seeds.size()];
        if (random() % 4 == 0)
            bytes += seeds[random() % seeds.size()];
        for (auto changes = random() % 6; changes > 0 && !bytes.empty(); --changes) {
            const std::size_t at = random() % bytes.size();
            switch (random() % 4) {
            case 0:
                bytes[at] = static_cast<char>(random());
                break;
            case 1:
                bytes[at] = static_cast<char>(bytes[at] ^ 1 << random() % 8);
                break;
            case 2:
                bytes.resize(at);
                break;
            default:
                bytes.insert(at, std::string(random() % 9, static_cast<char>(random())));
            }
        }
        Caller caller;
        caller.portId = 42;
        caller.netAdmin = random() % 4 != 0;
        caller.extAck = random() % 2;
        caller.capAck = random() % 2;
        caller.findNetdev = [](const std::string& name) { return VisibleNetdev{name, 77, false}; };
        caller.resolveNetns = [](std::uint32_t descriptor) { return ResolvedNetns{0, descriptor}; };
        const std::vector<std::string> replies = Nldev(devices, resources, devices.profile).handle(bytes, caller);
        for (const std::string& reply : replies) {
            ASSERT_NO_THROW(describe(reply)) << round;
            octets += reply.size();
        }
        answered += !replies.empty();
    }
    std::cout << rounds << " requests from " << seeds.size() << " seeds, " << answered << " of them answered, " << octets
              << " octets of answers\n";
}

} // namespace
} // namespace rdmalab::fakekernel::nldev
