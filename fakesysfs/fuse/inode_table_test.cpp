#include "fakesysfs/fuse/inode_table.h"

#include <gtest/gtest.h>

namespace rdmalab::fakesysfs {
namespace {

Node made(NodeKind kind, std::uint64_t identity = 0, std::string text = "") {
    Node node;
    node.kind = kind;
    node.identity = identity;
    node.text = std::move(text);
    return node;
}

TEST(InodeTable, TheSameObjectKeepsItsNumberWhileTheKernelKnowsIt) {
    InodeTable table(0);
    const Node vf = made(NodeKind::directory, 7);
    Inode& first = table.enter(table.root(), "0000:01:00.1", vf, 0);
    table.remember(first);
    EXPECT_EQ(&table.enter(table.root(), "0000:01:00.1", vf, 0), &first);
    EXPECT_EQ(table.find(first.number), &first);
}

TEST(InodeTable, AnotherObjectAtThePlaceIsAnotherInode) {
    InodeTable table(0);
    Inode& old = table.enter(table.root(), "vf", made(NodeKind::directory, 7), 0);
    table.remember(old);
    const std::uint64_t number = old.number;
    Inode& fresh = table.enter(table.root(), "vf", made(NodeKind::directory, 8), 0);
    EXPECT_NE(fresh.number, number);
    EXPECT_NE(fresh.shown, old.shown);
    EXPECT_FALSE(old.attached);
    EXPECT_EQ(table.find(number), &old); // the kernel has not let go of it
    table.forget(old, 1);
    EXPECT_EQ(table.find(number), nullptr);
    EXPECT_EQ(table.find(fresh.number), &fresh);
}

TEST(InodeTable, ALinkWithAnotherTargetIsAnotherInode) {
    InodeTable table(0);
    Inode& old = table.enter(table.root(), "driver", made(NodeKind::symlink, 0, "../mlx5_core"), 0);
    table.remember(old);
    Inode& fresh = table.enter(table.root(), "driver", made(NodeKind::symlink, 0, "../vfio-pci"), 0);
    EXPECT_NE(fresh.number, old.number);
    EXPECT_NE(fresh.shown, old.shown);
}

TEST(InodeTable, AFileWhoseReadingFailsNowIsStillTheSame) {
    InodeTable table(0);
    Inode& file = table.enter(table.root(), "speed", made(NodeKind::file), 0);
    table.remember(file);
    EXPECT_EQ(&table.enter(table.root(), "speed", made(NodeKind::unreadable), 0), &file);
}

TEST(InodeTable, NumbersAreNeverUsedAgain) {
    InodeTable table(0);
    Inode& first = table.enter(table.root(), "a", made(NodeKind::file), 0);
    table.remember(first);
    const std::uint64_t number = first.number, shown = first.shown;
    table.forget(first, 1);
    EXPECT_EQ(table.size(), 1u);
    Inode& again = table.enter(table.root(), "a", made(NodeKind::file), 0);
    EXPECT_GT(again.number, number);
    EXPECT_EQ(again.shown, shown); // to programs it is what it was
}

TEST(InodeTable, CountsOfLookupsAreHonoured) {
    InodeTable table(0);
    Inode& file = table.enter(table.root(), "a", made(NodeKind::file), 0);
    table.remember(file);
    table.remember(file);
    table.remember(file);
    const std::uint64_t number = file.number;
    table.forget(file, 2);
    EXPECT_NE(table.find(number), nullptr);
    table.forget(file, 1);
    EXPECT_EQ(table.find(number), nullptr);
}

TEST(InodeTable, ParentsStayForTheirChildrenAndOpenFiles) {
    InodeTable table(0);
    const Node directory = made(NodeKind::directory);
    Inode& parent = table.enter(table.root(), "d", directory, 0);
    table.remember(parent);
    Inode& file = table.enter(parent, "f", made(NodeKind::file), 0);
    table.remember(file);
    table.hold(file);
    table.forget(parent, 1);
    table.forget(file, 1);
    EXPECT_EQ(table.size(), 3u);
    table.release(file);
    EXPECT_EQ(table.size(), 1u); // both are gone
}

TEST(InodeTable, ForgettingTooMuchIsHarmless) {
    InodeTable table(0);
    table.forget(table.root(), 1000);
    Inode& file = table.enter(table.root(), "a", made(NodeKind::file), 0);
    table.remember(file);
    table.forget(file, 1000);
    EXPECT_EQ(table.size(), 1u);
    EXPECT_EQ(table.find(InodeTable::rootNumber), &table.root());
}

TEST(InodeTable, WhatWasSetStaysUntilTheObjectGoes) {
    InodeTable table(0);
    Inode& file = table.enter(table.root(), "a", made(NodeKind::file, 3), 0);
    table.remember(file);
    file.set = std::make_unique<Inode::Set>();
    table.forget(file, 1);
    EXPECT_EQ(&table.enter(table.root(), "a", made(NodeKind::file, 3), 0), &file);
    table.hold(file);
    table.detach(file);
    table.release(file);
    EXPECT_EQ(table.size(), 1u);
}

} // namespace
} // namespace rdmalab::fakesysfs
