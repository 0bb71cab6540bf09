// Every recorded exchange with a real kernel: the same octets, soft RoCE devices included. The worlds are the recordings'; what a
// Machine can be is compared once more through MachineDevices in machine_golden_test.cpp.
#include "fakekernel/nldev/nldev.h"
#include "fakekernel/nldev/testing/decode.h"
#include "fakekernel/nldev/testing/recording.h"

#include <gtest/gtest.h>

#include <iostream>
#include <map>

namespace rdmalab::fakekernel::nldev {
namespace {

// Recordings that are not compared, and why. Empty is the aim.
const std::map<std::string, std::string>& skipped() {
    static const std::map<std::string, std::string> reasons = {};
    return reasons;
}

std::string describeAll(const std::vector<std::string>& datagrams) {
    std::string text;
    for (const std::string& datagram : datagrams)
        text += describe(datagram) + "  --\n";
    return text;
}

std::vector<Recording> recordings(bool multicast) {
    std::vector<Recording> chosen = allRecordings();
    std::erase_if(chosen, [&](const Recording& one) { return one.multicast != multicast; });
    return chosen;
}

TEST(Golden, EveryExchange) {
    const std::vector<Recording> all = recordings(false);
    if (all.empty())
        GTEST_SKIP() << "no recordings of real kernels at " << recordingDirectory() << ": the answers are not compared with them";
    std::size_t compared = 0;
    for (const Recording& recording : all) {
        SCOPED_TRACE(recording.kernel + " " + recording.name);
        if (const auto reason = skipped().find(recording.name); reason != skipped().end()) {
            std::cout << "not compared: " << recording.kernel << " " << recording.name << ": " << reason->second << "\n";
            continue;
        }
        World world(recording);
        const Caller caller = world.callerOf(recording);
        Nldev nldev(world.devices, world.resources, recording.profile());
        const std::vector<std::string> replies = nldev.handle(recording.request, caller);
        EXPECT_EQ(describeAll(replies), describeAll(recording.replies));
        EXPECT_EQ(replies, recording.replies); // errors' payloads included
        ++compared;
    }
    std::cout << compared << " exchanges compared octet by octet\n";
}

TEST(Golden, EveryNotification) {
    const std::vector<Recording> all = recordings(true);
    if (all.empty())
        GTEST_SKIP() << "no recordings of real kernels at " << recordingDirectory();
    for (const Recording& recording : all) {
        SCOPED_TRACE(recording.kernel + " " + recording.name + ": " + recording.trigger);
        World world(recording);
        ASSERT_TRUE(world.pull(recording.trigger));
        std::vector<std::string> heard;
        for (const auto& [netns, message] : world.devices.events)
            if (netns == world.netns(recording.netns))
                heard.push_back(message);
        EXPECT_EQ(describeAll(heard), describeAll(recording.replies));
        EXPECT_EQ(heard, recording.replies);
    }
    std::cout << all.size() << " recordings of the notification group compared\n";
}

} // namespace
} // namespace rdmalab::fakekernel::nldev
