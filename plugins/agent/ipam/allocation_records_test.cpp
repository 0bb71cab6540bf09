#include "plugins/agent/ipam/allocation_records.h"
#include "plugins/agent/ipam/network_selection.h"
#include "plugins/agent/ipam/pool_limiter.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <thread>

namespace rdmalab::plugin::ipam {
namespace {

IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

TEST(AllocationRecords, PrintWhatTheyHold) {
    AllocationRecords records;
    EXPECT_EQ(records.print(), "");
    records.insert(ip("10.0.0.2"), {"ns/b", "2"});
    records.insert(ip("10.0.0.1"), {"ns/a", "1"});
    const auto again = AllocationRecords::parse(records.print());
    EXPECT_EQ(again.size(), 2u);
    EXPECT_EQ(again.find(ip("10.0.0.1"))->pod, "ns/a");
    EXPECT_EQ(again.addressOf("2"), ip("10.0.0.2"));
    records.changeUid(ip("10.0.0.2"), "3");
    records.erase(ip("10.0.0.1"));
    EXPECT_EQ(nlohmann::json::parse(records.print()), nlohmann::json::parse(R"({"10.0.0.2":{"pod":"ns/b","podUid":"3"}})"));
    EXPECT_EQ(records.addressOf("2"), std::nullopt);
    records.erase(ip("10.0.0.2"));
    EXPECT_EQ(records.print(), "");
}

TEST(AllocationRecords, KnowAnotherAddressOfAPodThatLostOne) {
    AllocationRecords records;
    for (const char* address : {"10.0.0.3", "10.0.0.1", "10.0.0.2"})
        records.insert(ip(address), {"ns/a", "1"});
    EXPECT_EQ(records.addressOf("1"), ip("10.0.0.1"));
    records.erase(ip("10.0.0.1"));
    EXPECT_EQ(records.addressOf("1"), ip("10.0.0.2"));
}

TEST(AllocationRecords, FindHolesWhereverTheyAppear) {
    AllocationRecords records;
    const std::vector<std::string> ips{"10.0.0.254-10.0.1.3"};
    const auto pick = [&] {
        const auto free = records.firstFree(ips, {});
        if (free)
            records.insert(*free, {"ns/" + free->str(), free->str()});
        return free ? free->str() : "none";
    };
    for (const char* expected : {"10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1", "10.0.1.2", "10.0.1.3", "none"})
        EXPECT_EQ(pick(), expected);
    for (const char* hole : {"10.0.1.0", "10.0.0.254", "10.0.1.3", "10.0.0.255"})
        records.erase(ip(hole));
    for (const char* expected : {"10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.3", "none"})
        EXPECT_EQ(pick(), expected);
    EXPECT_EQ(AllocationRecords::parse(records.print()).size(), 6u);
}

TEST(AllocationRecords, FindTheFirstFreeAddressAtTheEdges) {
    AllocationRecords records;
    const std::vector<IpRange> none;
    EXPECT_EQ(records.firstFree({"255.255.255.255"}, none), ip("255.255.255.255"));
    EXPECT_EQ(records.firstFree({"255.255.255.254-255.255.255.255"}, {*IpRange::parse("255.255.255.254-255.255.255.255")}),
              std::nullopt);
    EXPECT_EQ(records.firstFree({"nonsense", "10.0.0.9-10.0.0.1", "10.0.0.5-10.0.0.6"}, {*IpRange::parse("10.0.0.0-10.0.0.5")}),
              ip("10.0.0.6"));
    records.insert(ip("10.0.0.6"), {"ns/a", "1"});
    EXPECT_EQ(records.firstFree({"10.0.0.5-10.0.0.6"}, {*IpRange::parse("10.0.0.5")}), std::nullopt);
    EXPECT_EQ(records.firstFree({"fd00::-fd00::ffff:ffff"}, {*IpRange::parse("fd00::-fd00::ffff:0")}), ip("fd00::ffff:1"));
    EXPECT_THROW(AllocationRecords::parse("[1]"), std::runtime_error);
    EXPECT_THROW(AllocationRecords::parse(R"({"x":{}})"), std::runtime_error);
}

TEST(NetworkSelection, ReadsBothForms) {
    const auto list = parseNetworks("one, other/two@net7", "ns");
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list[0].ns + "/" + list[0].name + "@" + list[0].ifName, "ns/one@");
    EXPECT_EQ(list[1].ns + "/" + list[1].name + "@" + list[1].ifName, "other/two@net7");
    const auto json = parseNetworks(R"([ {"name":"one","interface":"rail1"}])", "ns");
    ASSERT_EQ(json.size(), 1u);
    EXPECT_EQ(json[0].ns + "/" + json[0].name + "@" + json[0].ifName, "ns/one@rail1");
    for (const char* bad : {"", "a/b/c", "a@b@c", "Capital", "{\"name\":\"x\"}"})
        EXPECT_THROW(parseNetworks(bad, "ns"), std::runtime_error) << bad;
}

TEST(PoolLimiter, LetsOthersPassWhileOnePoolIsHeld) {
    PoolLimiter limiter;
    std::atomic<int> step{0};
    std::thread second;
    {
        const auto first = limiter.acquire({"a", "b"});
        second = std::thread([&] {
            const auto ticket = limiter.acquire({"b", "c"});
            EXPECT_EQ(step, 1);
        });
        const auto other = limiter.acquire({"d"}); // does not hang
        step = 1;
    }
    second.join();
}

TEST(PoolLimiter, RefusesTheOneWhoWouldBeTooMany) { // 21
    PoolLimiter limiter;
    std::vector<std::thread> threads;
    std::atomic<int> refused{0};
    {
        const auto held = limiter.acquire({"a"});
        for (std::size_t i = 0; i <= PoolLimiter::maxWaiting; ++i)
            threads.emplace_back([&] {
                try {
                    const auto ticket = limiter.acquire({"a"});
                } catch (const std::runtime_error& error) {
                    EXPECT_STREQ(error.what(), "failed to queue correctly: queue is full with a maximum length of 1000");
                    ++refused;
                    refused.notify_all();
                }
            });
        refused.wait(0);
    }
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(refused, 1);
}

} // namespace
} // namespace rdmalab::plugin::ipam
