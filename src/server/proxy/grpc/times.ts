/** Times and sizes that Apache's proxy grants its clients; facts/grpc-v2.md 6.1, 7.4, 13. */

export const defaultInvisibleTimeMs = 60_000;
export const invisibleTimeMinMs = 10_000;
export const invisibleTimeMaxMs = 12 * 3_600_000;
/** Messages that nobody is going to consume now come back after that long. */
export const giveBackInvisibleTimeMs = 1_000;

export const pollingTimeMinMs = 5_000;
export const pollingTimeMaxMs = 20_000;
/** A poll ends that much before its time, so that the answer is there in time. */
export const pollingMarginMs = 30;

export const batchSizeMax = 32;
/** Bytes of one PullMessage; the first message always fits. */
export const pullSizeMaxBytes = 8 << 20;
export const bodySizeMaxBytes = 4 * 1024 * 1024;
export const userPropertyCountMax = 128;
export const userPropertiesSizeMaxBytes = 16_384;
export const messageGroupSizeMaxBytes = 63;
export const transactionRecoveryMaxMs = 3_600_000;

export const sendAttemptCount = 3;
export const sendBackoffInitialMs = 10;
export const sendBackoffMaxMs = 1_000;
export const sendBackoffMultiplier = 2;

/** Settings are answered with defaults when the group's configuration takes longer. */
export const groupLookupTimeoutMs = 400;
