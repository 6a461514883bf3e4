/**
 * The trust anchors of the DNS root (RFC 7958, published by IANA): what a validator starts from before it follows key
 * changes by itself (RFC 5011).
 *
 * KSK-2017 signs the root today, KSK-2024 is published and takes over; each alone is enough.
 */
export const ROOT_ANCHORS: readonly string[] = [
  '. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D',
  '. IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16',
]
