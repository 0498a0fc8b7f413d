/** The version of this program; the build puts it in. */
export const version: string = process.env['RMQ_BUILD_VERSION'] ?? 'from source';
