// libFuzzer: the first octets choose who asks and whom, the rest is a datagram.
#include "fakekernel/nldev/nldev.h"
#include "fakekernel/nldev/testing/decode.h"
#include "fakekernel/nldev/testing/memory_devices.h"

using namespace rdmalab::fakekernel::nldev;

namespace {

class SomeObjects : public RdmaResources {
public:
    DeviceResources of(std::uint32_t index) const override {
        DeviceResources objects;
        objects.pds.resize(2);
        objects.cqs.resize(index * 200 + 1);
        objects.srqs.resize(1);
        objects.mrs.resize(3);
        objects.contexts.resize(2);
        objects.connections.resize(1);
        for (std::uint32_t i = 0; i < 100 * index + 2; ++i) {
            QueuePair qp;
            qp.id = qp.number = 3 * i + 1;
            qp.type = static_cast<std::uint8_t>(i % 11);
            qp.port = i % 2;
            qp.srq = 0;
            objects.qps.push_back(qp);
        }
        return objects;
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2)
        return 0;
    const unsigned who = data[0], world = data[1];
    MemoryDevices devices(world & 1 ? KernelProfile::linux7_3() : KernelProfile::linux6_12());
    for (std::uint32_t i = 0; i < 3; ++i) {
        devices.devices[i] =
            devices.softRoce(i, "rxe" + std::to_string(i), {"v" + std::to_string(i), int(i) + 2, 1 + i / 2}, i + 1);
        devices.devices[i].netns = 1 + i / 2;
    }
    if (world & 2)
        devices.netnsMode = rdmalab::hardware::RdmaNetnsMode::exclusive;
    Caller caller;
    caller.socketNetns = who & 1 ? 2 : 1;
    caller.threadNetns = who & 2 ? 2 : 1;
    caller.netAdmin = who & 4;
    caller.capAck = who & 8;
    caller.extAck = who & 16;
    caller.nextReceive = who & 32 ? 32768 : 0;
    caller.findNetdev = [](const std::string& name) { return VisibleNetdev{name, 5, name.size() == 5}; };
    caller.resolveNetns = [](std::uint32_t descriptor) { return ResolvedNetns{descriptor == 9 ? EPERM : 0, descriptor % 4}; };
    const SomeObjects objects;
    Nldev nldev(devices, objects, devices.profile);
    // Decoding throws when an answer does not add up.
    for (const std::string& reply : nldev.handle({reinterpret_cast<const char*>(data) + 2, size - 2}, caller))
        describe(reply);
    return 0;
}
