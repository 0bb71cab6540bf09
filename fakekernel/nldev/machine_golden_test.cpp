// The recordings once more, with the devices of a Machine in the place of soft RoCE ones.
#include "fakekernel/nldev/commands.h"
#include "fakekernel/nldev/machine_devices.h"
#include "fakekernel/nldev/nldev.h"
#include "fakekernel/nldev/testing/decode.h"
#include "fakekernel/nldev/testing/recording.h"

#include "sim/hardware/catalogue.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iostream>
#include <set>

namespace rdmalab::fakekernel::nldev {
namespace {

// What a machine of PCI cards cannot be: printed, with the number of recordings.
std::optional<std::string> beyondAMachine(const Recording& recording, const World& world) {
    std::set<std::string> names;
    for (const auto& [index, device] : world.devices.devices) {
        if (!names.insert(device.name).second)
            return "two devices of one name in different namespaces";
        if (device.netdev->name == "lo" || device.name.find('/') != std::string::npos)
            return "a device on lo or with a slash in its name from the beginning";
    }
    if (recording.name.find("rename_to_name_used_in_init") != std::string::npos)
        return "two devices of one name in different namespaces";
    if (names.empty() && recording.name.find("chardev_rdma_cm") != std::string::npos)
        return "rdma_cm without any card";
    return std::nullopt;
}

std::string catalogueText(const KernelProfile& profile) {
    std::string counters;
    for (const std::string& name : MemoryDevices(profile).softRoce(0, "x", {}, 0).counters)
        counters += (counters.empty() ? "" : ", ") + name;
    return fmt::format(R"(name: rxe
description: Soft RoCE
pci: {{vendor: 15b3, device: 1017, subsystemVendor: 15b3, subsystemDevice: 0008, class: "020000", revision: "00", functions: 1}}
driver: rdma_rxe
linkLayers: [ethernet]
speed: 10000
macPrefix: "02:00:00"
rdma:
  driver: rdma_rxe
  namePrefix: rxe
  driverId: 14
  uverbsAbi: 2
  gidTableLength: 1024
  pkeyTableLength: 1
  gidTypes: [v2]
  rate: 10 Gb/sec (4X SDR)
  charDevices: [umad, uverbs, rdma_cm]
  counters: [{}]
)",
                       counters);
}

// Message by message with what is the card's own business taken out: index, GUIDs, device numbers, how long the message is
// because of them.
std::string neutral(const std::vector<std::string>& datagrams, const std::map<std::uint32_t, std::uint32_t>& indexes) {
    std::string text;
    for (const std::string& datagram : datagrams) {
        for (const DecodedMessage& message : decodeMessages(datagram)) {
            if (message.type < firstRealType) {
                text += describe(datagram); // an error echoes the request: the same in both
                continue;
            }
            text +=
                fmt::format("type {:x} flags {} seq {} port {}:", message.type, message.flags, message.sequence, message.portId);
            for (const DecodedAttribute& attribute : decodeAttributes(message.body)) {
                std::string shown;
                switch (attribute.type) {
                case attrDevIndex: {
                    const auto index = static_cast<std::uint32_t>(attribute.number());
                    const auto found = indexes.find(index);
                    shown = std::to_string(found == indexes.end() ? index : found->second);
                    break;
                }
                case attrNodeGuid:
                case attrSysImageGuid:
                    shown = "guid";
                    break;
                case attrNdevIndex:
                    shown = "ifindex";
                    break;
                case attrCharDev:
                case attrCharDevName:
                    shown = "character device";
                    break;
                default:
                    shown = isNest(attribute.type) ? describeAttributes(attribute.value)
                                                   : fmt::format("{}:{}", attribute.value.size(),
                                                                 fmt::join(attribute.value.begin(), attribute.value.end(), " "));
                }
                text += fmt::format(" {}{}={}", attribute.type, attribute.nested ? "!" : "", shown);
            }
            text += "\n";
        }
        text += "--\n";
    }
    return text;
}

// Attributes 1 and 2 of a request name devices of the recording; ours have other indexes.
std::string translated(std::string request, const std::map<std::uint32_t, std::uint32_t>& ours) {
    std::size_t at = headerSize;
    while (at + attributeHeaderSize <= request.size()) {
        std::uint16_t length = 0, type = 0;
        std::memcpy(&length, request.data() + at, 2);
        std::memcpy(&type, request.data() + at + 2, 2);
        if (type == attrDevIndex && length >= 8 && at + 8 <= request.size()) {
            std::uint32_t index = 0;
            std::memcpy(&index, request.data() + at + 4, 4);
            const auto found = ours.find(index);
            index = found != ours.end() ? found->second : index < 50 ? index + 1000 : index;
            std::memcpy(request.data() + at + 4, &index, 4);
        }
        at += length < attributeHeaderSize ? attributeHeaderSize : aligned(length);
    }
    return request;
}

class IndexedResources : public RdmaResources {
public:
    IndexedResources(const MirroredResources& mirrored, const std::map<std::uint32_t, std::uint32_t>& theirs)
        : mirrored_(mirrored), theirs_(theirs) {}
    DeviceResources of(std::uint32_t index) const override { return mirrored_.of(theirs_.at(index)); }
    std::uint64_t counter(std::uint32_t index, std::size_t place) const override {
        return mirrored_.counter(theirs_.at(index), place);
    }

private:
    const MirroredResources& mirrored_;
    const std::map<std::uint32_t, std::uint32_t>& theirs_;
};

TEST(MachineGolden, EveryExchangeThatAMachineCanHave) {
    const std::vector<Recording> all = allRecordings();
    if (all.empty())
        GTEST_SKIP() << "no recordings of real kernels at " << recordingDirectory();
    std::map<std::string, unsigned> left;
    std::size_t compared = 0;
    for (const Recording& recording : all) {
        if (recording.multicast)
            continue;
        SCOPED_TRACE(recording.kernel + " " + recording.name);
        World world(recording);
        if (const auto reason = beyondAMachine(recording, world)) {
            ++left[*reason];
            continue;
        }
        hardware::Catalogue catalogue;
        catalogue.loadText(catalogueText(recording.profile()), "rxe.yaml");
        hardware::MachineSpec spec;
        spec.name = "node1";
        spec.rdmaNetns = world.devices.netnsMode;
        unsigned slot = 1;
        for (const auto& [index, device] : world.devices.devices) {
            hardware::NicSpec nic;
            nic.model = "rxe";
            nic.pci = fmt::format("0000:{:02x}:00.0", slot++);
            nic.netdev = fmt::format("boot{}", index);
            nic.rdma = fmt::format("boot{}", index);
            nic.up = device.physicalState != 3;
            nic.cabled = device.portState == 4;
            spec.nics.push_back(nic);
        }
        hardware::Machine machine(spec, catalogue);
        MachineDevices devices(machine);
        std::map<std::uint32_t, std::uint32_t> ours, theirs;
        std::size_t place = 0;
        for (const auto& [index, device] : world.devices.devices) {
            const hardware::Nic& nic = *machine.nics().at(place++);
            ours[index] = nic.rdma->index;
            theirs[nic.rdma->index] = index;
            machine.moveNetdev(nic, device.netdev->netns);
            machine.setLink(nic, device.physicalState != 3); // a move takes it down
            machine.renameNetdev(nic, device.netdev->name);
            machine.renameRdma(nic, device.name);
            if (device.netns != 1)
                machine.moveRdma(nic, device.netns);
            devices.setAdaptiveModeration(nic.rdma->index, device.adaptiveModeration);
            devices.setCounterMode(nic.rdma->index, device.counterMode, device.counterMask);
        }
        devices.setPrivilegedQkey(world.devices.qkey);

        const IndexedResources resources(world.resources, theirs);
        const Caller caller = world.callerOf(recording);
        const std::string request = translated(recording.request, ours);
        // Making a soft RoCE device is what a machine does not do.
        Header header;
        std::memcpy(&header.type, request.data() + 4, 2);
        const bool creation = header.operation() == cmdNewLink && header.client() == clientNldev;
        // The interface is known by another number here.
        Caller seen = caller;
        seen.findNetdev = [&](const std::string& name) {
            std::optional<VisibleNetdev> found = caller.findNetdev(name);
            if (const hardware::Nic* nic = machine.findByNetdev(name, caller.socketNetns); nic && found)
                found->ifindex = nic->port.ifindex;
            else if (found)
                found->ifindex += 1000;
            return found;
        };
        const std::vector<std::string> replies = Nldev(devices, resources, recording.profile()).handle(request, seen);
        ASSERT_FALSE(replies.empty());
        const auto messages = decodeMessages(replies.back());
        std::int32_t code = 0;
        std::memcpy(&code, messages.at(0).body.data(), 4);
        if (creation && code == -EOPNOTSUPP) {
            ++left["makes a soft RoCE device"];
            continue;
        }
        EXPECT_EQ(neutral(replies, theirs), neutral(recording.replies, {}));
        ++compared;
    }
    std::cout << compared << " exchanges compared attribute by attribute\n";
    for (const auto& [reason, count] : left)
        std::cout << "not compared, " << count << ": " << reason << "\n";
}

} // namespace
} // namespace rdmalab::fakekernel::nldev
